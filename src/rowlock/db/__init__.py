"""The only package that talks to PostgreSQL: pools, the query loader, migrations and one module for each noun."""
