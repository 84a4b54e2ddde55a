"""The command line: `rowlock up`, and everything an operator or a script does with an installation.

A module for each group of commands; what they share (options, output, errors, the database) is in `common` and
`exits`. docs/reference/cli.md describes every command.
"""

from rowlock.cli.program import app, main

__all__ = ["app", "main"]
