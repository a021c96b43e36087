"""Logging of a process: one JSON object a line on standard error, with secrets masked."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog
from structlog.typing import Processor

from runtime.logging.redaction import redact, redact_text

#: Our packages log at the chosen level, libraries from WARNING on.
PACKAGES: Final = (
    "admin",
    "analytics",
    "backoffice",
    "billing",
    "cli",
    "deploy",
    "ingest_api",
    "monitoring",
    "providers",
    "reconciliation",
    "runtime",
    "sinks",
    "storage",
    "streams",
)
#: Set by the processors below or bound by a request: never masked.
_UNMASKED: Final = frozenset({"request_id", "timestamp", "level", "logger", "_record", "_from_structlog"})

#: Control sequences and operating system commands of terminals (ECMA-48).
_ESCAPES: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")


def configure(level: int = logging.INFO) -> None:
    """Set up structlog and the standard library's logging alike. Call once, at the start of a process.

    Standard output stays free for the results of commands.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        plain,
        mask,
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(default=_shown),
            ],
        )
    )
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for package in PACKAGES:
        logging.getLogger(package).setLevel(level)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def plain(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take escape codes of terminals out of every text: some libraries colour what they log."""
    for name, value in event.items():
        if isinstance(value, str) and "\x1b" in value:
            event[name] = _ESCAPES.sub("", value)
    return event


def mask(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask every field of a line, by its name and by its form."""
    for name, value in event.items():
        if name not in _UNMASKED:
            event[name] = redact({name: value})[name]
    return event


def _shown(value: Any) -> str:
    """A value that JSON does not know: its ``repr``, masked."""
    return redact_text(repr(value))
