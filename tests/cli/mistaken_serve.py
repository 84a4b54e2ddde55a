"""`rowlock serve`, which is killed as soon as it has made a payment at the sandbox, once.

ROWLOCK_TEST_MISTAKE=1 is the planted mistake of the control: each attempt to make a payment has a new key.
"""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from rowlock.checkout.providers.payment_provider import PaymentWish
from rowlock.checkout.providers.sandbox import SandboxProvider
from rowlock.cli import app
from rowlock.cli.program import run

_create = SandboxProvider.create
_killed = Path(os.environ["ROWLOCK_DATA_DIR"]) / "killed"


async def create(self: SandboxProvider, wish: PaymentWish) -> Any:
    if os.environ.get("ROWLOCK_TEST_MISTAKE") == "1":
        wish = replace(wish, key=f"{wish.key} {uuid4()}")
    made = await _create(self, wish)
    if not _killed.exists():
        _killed.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return made


if __name__ == "__main__":
    SandboxProvider.create = create  # type: ignore[assignment, method-assign] # The planted mistake.
    sys.exit(run(lambda: app(prog_name="rowlock")))
