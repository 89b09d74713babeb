"""A package only so that tests can import from tests.postgres; the folders below have no __init__.py."""
