"""What a process writes to its log."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

from runtime.logging.setup import PACKAGES

#: In a process of its own: logging is set up once for a whole process.
PROGRAM = """
import logging, structlog
from runtime.logging.setup import configure

configure(logging.DEBUG)
structlog.contextvars.bind_contextvars(request_id="shop-42")
structlog.get_logger("ingest_api.test").warning(
    "failed",
    error="card 4111 1111 1111 1111 of viewer@example.com at postgresql://billing:hunter2@db/billing",
    authorization="Bearer site-key-1",
    positions={0: 5},
    cause=ValueError("not a phone: +7 900 123-45-67"),
)
logging.getLogger("library").error("sent %s with +7 900 123-45-67", "5555555555554444")
structlog.get_logger("admin.test").debug("admin's detail")
logging.getLogger("library").info("a library's detail")
try:
    raise RuntimeError("refused: token=s3cr3t-value")
except RuntimeError:
    structlog.get_logger("streams.test").exception("defect")
"""


def test_no_secret_leaves_in_a_line_of_any_logger() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60)

    for secret in ("4111", "viewer@example.com", "hunter2", "site-key-1", "5555", "123-45-67", "s3cr3t-value"):
        assert secret not in done.stderr
    own, library, detail, defect = map(json.loads, done.stderr.splitlines())
    assert (own["event"], own["authorization"], own["request_id"]) == ("failed", "***", "shop-42")
    assert own["positions"] == {"0": 5}
    assert library["event"] == "sent *** with ***"
    assert detail["event"] == "admin's detail"
    assert "RuntimeError: refused: token=***" in defect["exception"]
    assert done.stdout == ""


def test_every_package_of_ours_logs_at_the_chosen_level() -> None:
    project = tomllib.loads((Path(__file__).parents[4] / "pyproject.toml").read_text())

    assert set(project["tool"]["importlinter"]["root_packages"]) - {"billing_client"} == set(PACKAGES)


def test_a_log_is_json_lines_without_the_escape_codes_of_terminals() -> None:
    program = """
import logging, warnings
from runtime.logging.setup import configure

configure()
logging.getLogger("faust").warning("\x1b[1;35mpurple\x1b[0m and \x1b]0;title\x07plain")
warnings.warn("a library is out of date")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)

    coloured, warned = map(json.loads, done.stderr.splitlines())
    assert coloured["event"] == "purple and plain"
    assert "a library is out of date" in warned["event"]
