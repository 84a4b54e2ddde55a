"""What `make bench` runs: the real server against pgbench on one machine; docs/reference/benchmarks.md explains it."""
