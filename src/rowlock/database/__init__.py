"""The way to PostgreSQL: connections, calls and what can go wrong with them, named queries, and the schema's versions.

With the stores of the nouns the only part that knows the driver.
"""
