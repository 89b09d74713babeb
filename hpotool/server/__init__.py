"""The embedded Postgres: a real server, installed on the machine or with hpotool, with data in the home folder."""

from hpotool.server.embedded import EmbeddedPostgres, Started, Status

__all__ = ["EmbeddedPostgres", "Started", "Status"]
