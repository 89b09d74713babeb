"""The embedded Postgres: found or shipped binaries, one data directory, loopback by default."""
