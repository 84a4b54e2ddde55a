"""Writes files of secrets, readable by their owner only. What is in them is left to the caller."""

import os
import secrets
from pathlib import Path


def write_secret_file(path: Path, text: str, *, replace: bool) -> None:
    """Write the file completely or not at all, readable by its owner only from the start.

    Without `replace`, raises FileExistsError if it is there: of two processes that make it at once, one does.
    Raises OSError.
    """
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            scratch.replace(path)
        else:
            path.hardlink_to(scratch)
    finally:
        scratch.unlink(missing_ok=True)
