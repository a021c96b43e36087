"""How every process logs: JSON lines to standard output, secrets masked."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog
from structlog.typing import Processor

MASK: Final = "***"
#: Keys whose values never reach a log, whoever logs them.
_SECRET_KEYS: Final = re.compile(r"password|secret|token|api_?key|authorization|email|phone", re.IGNORECASE)
#: Passwords inside URLs, which libraries like to put into their errors.
_URL_PASSWORD: Final = re.compile(r"(\w+://[^:/\s]+:)[^@\s]+@")


def configure(level: int = logging.INFO) -> None:
    """Set up structlog and the standard library's logging alike. Call once, at the start of a process."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        mask,
    ]
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for ours in ("billing", "storage", "providers", "ingest_api", "streams", "sinks", "deploy", "cli"):
        logging.getLogger(ours).setLevel(level)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def mask(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace secrets by their key, and passwords in URLs wherever they stand."""
    for key, value in event.items():
        if _SECRET_KEYS.search(key):
            event[key] = MASK
        elif isinstance(value, str):
            event[key] = _URL_PASSWORD.sub(rf"\1{MASK}@", value)
    return event
