"""Several studies on one fleet: which one is served next, who hands a place back, quotas, and who used what.

The decisions are in the database (`sql/schema/006_pools.sql`, `sql/fleet/pools.sql`), where all workers meet.
"""
