"""What `make bench` runs: measures the real server against pgbench on one machine, and checks that no seat was lost.

docs/reference/benchmarks.md explains each row and what the figures do not mean. Nothing of the product imports this.
"""
