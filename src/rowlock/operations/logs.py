"""The log format of this process: one JSON object per line, or lines for people."""

import logging
import re
import sys
import traceback
from typing import Literal, TextIO

import structlog
from structlog.typing import ExcInfo

# The line of an error message in which PostgreSQL quotes the contents of rows: holders, addresses, names.
_DETAIL = re.compile(r"^DETAIL: .*$", re.MULTILINE)

# httpx logs a line for each webhook that is sent, and below INFO headers and whole answers, with secrets in them.
_TALKATIVE = ("httpx", "httpcore", "stripe")


def configure_logging(log_format: Literal["json", "console"], level: str) -> None:
    """Write the log lines of Rowlock and of libraries to standard error, at `level` (DEBUG … ERROR) and above."""
    number = logging.getLevelNamesMapping()[level]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    rendered: list[structlog.typing.Processor] = (
        [structlog.processors.ExceptionRenderer(_traceback), structlog.processors.JSONRenderer()]
        if log_format == "json"
        else [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_write_traceback)]
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendered],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))


def _traceback(exc_info: ExcInfo) -> str:
    """A traceback without the values of variables, which may be tokens or names, and without the contents of rows."""
    return _DETAIL.sub("DETAIL: (left out)", "".join(traceback.format_exception(*exc_info))).rstrip()


def _write_traceback(stream: TextIO, exc_info: ExcInfo) -> None:
    stream.write("\n" + _traceback(exc_info))
