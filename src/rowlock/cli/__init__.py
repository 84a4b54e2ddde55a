"""The command line: `rowlock up`, and the commands for operators and scripts.

There is a module for each group of commands; `common` and `exits` have the shared options, output, errors and
database access. docs/reference/cli.md describes every command.
"""

from rowlock.cli.program import app, main

__all__ = ["app", "main"]
