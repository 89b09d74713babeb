"""The embedded Postgres: a real server, found or brought along, kept in the home folder."""

from hpotool.server.embedded import EmbeddedPostgres, Started, Status

__all__ = ["EmbeddedPostgres", "Started", "Status"]
