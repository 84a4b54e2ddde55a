"""Access to PostgreSQL: connections, calls and their errors, named queries, and the schema's versions.

Only this package and the `store` modules of the features use the driver.
"""
