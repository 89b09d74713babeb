"""The connection to Postgres: statements, outages, URLs, the schema.

Everything in `storage` may come in.
"""
