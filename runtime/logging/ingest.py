"""Log lines of the process: one JSON object each on stderr, the request's id in every one, secrets masked."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

from runtime.logging.card_numbers import MASK
from runtime.logging.redaction import redact

#: Written by the processors themselves, or bound by the request context.
_OURS: Final = frozenset({"request_id", "timestamp", "level", "logger", "_record", "_from_structlog"})
_URL_PASSWORD: Final = re.compile(r"(\w+://[^:/\s]+:)[^@\s]+@")


def configure_logging(level: int = logging.INFO) -> None:
    """For the whole process, once, by who starts it: the libraries' lines come out in the same form."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        mask,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
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
    root.handlers = [handler]
    root.setLevel(level)
    # While the broker is away aiokafka says so several times per attempt; the writer and the listener say it once.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


def mask(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """No contact, key, card number or password of a URL leaves in a line, whoever wrote it."""
    for name, value in event.items():
        if name not in _OURS:
            shown = _URL_PASSWORD.sub(rf"\1{MASK}@", value) if isinstance(value, str) else value
            event[name] = redact({name: shown})[name]
    return event
