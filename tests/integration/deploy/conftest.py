"""Environments that hold the production lock and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
UV = Path(sys.executable).parent / "uv"
PATIENCE_S = 180


def run(*command: str | Path, **options) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE_S, **options
    )
    if "Failed to fetch" in done.stdout or "error sending request" in done.stdout:
        pytest.skip("the package index cannot be reached")
    return done


@pytest.fixture(scope="session")
def production(tmp_path_factory) -> Path:
    """The interpreter of an environment that holds the production lock and nothing else."""
    folder = tmp_path_factory.mktemp("production")
    run(UV, "venv", "--quiet", "--python", sys.executable, folder)
    done = run(
        UV, "pip", "install", "--quiet", "--system-certs", "--python", folder,
        "--require-hashes", "--only-binary", ":all:", "-r", ROOT / "requirements.lock",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return folder / "bin" / "python"
