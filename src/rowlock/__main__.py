"""Lets `python -m rowlock` do what `rowlock` does."""

from rowlock.cli import main

main()
