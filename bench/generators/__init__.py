"""The load generators: wrk (closed loop), pgbench, and our own clients, one or many."""
