"""What the process writes to its log."""

import json
import subprocess
import sys

#: In a process of its own: logging is set up once for a whole process.
PROGRAM = """
import logging, structlog
from runtime.logging.ingest import configure_logging

configure_logging()
structlog.contextvars.bind_contextvars(request_id="shop-42")
structlog.get_logger("ingest_api.test").warning(
    "failed",
    error="card 4111 1111 1111 1111 of viewer@example.com at postgresql://billing:hunter2@db/billing",
    authorization="Bearer site-key-1",
)
logging.getLogger("library").error("sent %s with +7 900 123-45-67", "5555555555554444")
"""


def test_no_secret_leaves_in_a_line_whoever_wrote_it() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60)

    for secret in ("4111", "viewer@example.com", "hunter2", "site-key-1", "5555", "123-45-67"):
        assert secret not in done.stderr
    own, library = map(json.loads, done.stderr.splitlines())
    assert (own["event"], own["authorization"], own["request_id"]) == ("failed", "***", "shop-42")
    assert library["event"] == "sent *** with ***"
