"""How the test of an attack ends: `rowlock check` finds nothing wrong.

A file of attacks says so once: `pytestmark = pytest.mark.usefixtures("clean_check")`. A single test takes the fixture.
Which attacks there are, and what each of them costs, is told in docs/explanation/attacks.md.
"""

from collections.abc import AsyncIterator

import pytest

from rowlock.base.dsns import Dsns
from rowlock.database.access import DirectDatabase
from rowlock.database.cells import Cells
from rowlock.operations.service import Operations
from tests.support.tables import Connection

# Plans that make_show writes have no checksum. This gives them one, so that the check may compare it.
_CHECKSUMS = b"""
update rowlock.seating_plans as p set checksum = c.checksum
from rowlock.seating_plan_checksums as c where p.plan_id = c.plan_id and p.checksum = ''
"""


async def assert_clean_check(dsns: Dsns) -> None:
    """Fail with every violation that the service behind `rowlock check` finds in this database."""
    async with await Connection.connect(dsns.owner, autocommit=True) as owner:
        await owner.execute(_CHECKSUMS)
    report = await Operations(Cells(DirectDatabase(dsns, application_name="rowlock check"))).check_invariants()
    assert report.results, "no invariant was checked"
    violations = [violation for result in report.results for violation in result.violations]
    assert violations == [], "`rowlock check` is not clean after this attack"


@pytest.fixture
async def clean_check(dsns: Dsns) -> AsyncIterator[None]:
    """Check the database of a test when the test and all its other fixtures have ended."""
    yield
    await assert_clean_check(dsns)
