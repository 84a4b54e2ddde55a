"""Makes the audit log's next monthly partitions in good time, once a day."""

import structlog

from rowlock.db import upkeep
from rowlock.db.connections import Connection

DAY_SECONDS = 24 * 60 * 60.0

_log = structlog.get_logger(__name__)


async def ensure_partitions(connection: Connection) -> float:
    """Make what is missing; seconds until the next time."""
    for name in await upkeep.ensure_partitions(connection):
        _log.info("audit_log_partition_made", partition=name)
    return DAY_SECONDS
