"""The connection to Postgres: statements, outages, URLs, the schema.

All of `storage` may import it.
"""
