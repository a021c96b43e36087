"""The wheel, installed with the production lock where there is no checkout."""

import json
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.integration.deploy.conftest import ROOT, UV, run

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    done = run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder, cwd=ROOT)
    assert done.returncode == 0, done.stdout
    return next(folder.iterdir())


@pytest.fixture(scope="module")
def billing(production: Path, wheel: Path) -> Path:
    """The installed command."""
    done = run(UV, "pip", "install", "--quiet", "--python", production, "--no-deps", wheel)
    assert done.returncode == 0, done.stdout
    return production.parent / "billing"


def test_every_file_of_our_packages_is_in_the_wheel(wheel):
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    tracked = subprocess.run(
        ["git", "ls-files", *packages], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    expected = {path.removeprefix("clients/python/") for path in tracked}
    assert {path for path in expected if path.endswith((".sql", ".html", ".css", ".toml"))}, "not only code"
    assert expected - set(zipfile.ZipFile(wheel).namelist()) == set()


def test_the_wheel_has_the_licence(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (licence,) = (name for name in archive.namelist() if name.endswith("licenses/LICENSE"))
        assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()


def test_the_command_runs_in_a_clean_environment(billing, tmp_path):
    done = run(billing, "--help", cwd=tmp_path, env={})
    assert done.returncode == 0, done.stdout
    assert "run" in done.stdout


def test_it_says_its_version_without_a_checkout(billing, tmp_path):
    shown = json.loads(run(billing, "version", "--json", cwd=tmp_path, env={}).stdout)
    assert shown["version"] == PROJECT["project"]["version"]
    assert shown["revision"] == "unknown"


def test_it_finds_its_reports_and_migrations(billing, tmp_path):
    assert run(billing, "report", "--list", cwd=tmp_path, env={}).returncode == 0
    code = (
        "import storage; from pathlib import Path; from storage.schema import REVISION;"
        "versions = Path(storage.__file__).parent / 'migrations' / 'versions';"
        "assert list(versions.glob(f'{REVISION}_*.py')), versions"
    )
    done = run(billing.parent / "python", "-I", "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
