"""Load generators: pgbench and wrk with their scripts, and our own for what those two cannot do."""
