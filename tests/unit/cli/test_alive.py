"""`billing alive`, the health check of workers and sinks."""

import os
import subprocess
import sys
import time

import pytest

ENTRY = "from cli.main import main; main()"


def alive(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", ENTRY, "alive"], env=environment, check=False, capture_output=True, text=True, timeout=60
    )


def test_a_fresh_heartbeat_is_alive(tmp_path):
    (tmp_path / "heartbeat").touch()
    assert alive(BILLING_HEARTBEAT_FILE=str(tmp_path / "heartbeat")).returncode == 0


def test_an_old_heartbeat_is_not(tmp_path):
    heartbeat = tmp_path / "heartbeat"
    heartbeat.touch()
    os.utime(heartbeat, (time.time() - 11, time.time() - 11))
    done = alive(BILLING_HEARTBEAT_FILE=str(heartbeat))
    assert (done.returncode, done.stderr.strip()) == (1, f"no heartbeat in {heartbeat} for 10 seconds")


@pytest.mark.parametrize("environment", [{}, {"BILLING_HEARTBEAT_FILE": ""}, {"BILLING_HEARTBEAT_FILE": "/no/such"}])
def test_without_a_heartbeat_nothing_is_alive(environment):
    assert alive(**environment).returncode == 1


def test_the_check_loads_no_settings():
    code = "import sys; sys.argv[1:] = ['alive']; from cli.main import main\ntry: main()\nexcept SystemExit: pass\n"
    code += "print({'pydantic_settings', 'structlog', 'aiohttp'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "set()"
