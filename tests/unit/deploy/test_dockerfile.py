"""deploy/Dockerfile: what is in the images, and who runs in them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "deploy" / "Dockerfile").read_text()
#: Target to its lines.
STAGES = dict(re.findall(r"(?ms)^FROM \S+ AS (\S+)\n(.*?)(?=^FROM|\Z)", TEXT))


def test_the_linter_has_nothing_to_say():
    done = subprocess.run(
        [Path(sys.executable).parent / "hadolint", ROOT / "deploy" / "Dockerfile"],
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_holds_every_folder_of_the_package():
    kept = (ROOT / ".dockerignore").read_text().splitlines()
    packages = [name for name in ROOT.iterdir() if (name / "__init__.py").exists() and name.name != "tests"]
    assert {f"!{path.name}" for path in packages} <= set(kept)


def test_the_base_is_a_parameter_and_names_no_registry():
    base = re.search(r"(?m)^ARG PYTHON_IMAGE=(\S+)$", TEXT)
    assert base is not None
    assert "/" not in base[1]
    froms = re.findall(r"(?m)^FROM (\S+)", TEXT)
    assert set(froms) <= {"${PYTHON_IMAGE}", *STAGES}


def test_packages_are_locked_and_wheels():
    installs = re.findall(r"pip (?:--python \S+ )?install ((?:[^\n]|(?<=\\)\n)*)", TEXT)
    of_locks = [arguments for arguments in installs if "--no-deps" not in arguments]
    assert len(of_locks) == 3
    assert all("--require-hashes --only-binary :all:" in arguments for arguments in of_locks)


@pytest.mark.parametrize("target", ["billing", "billing-admin"])
def test_an_image_takes_packages_and_code_from_the_stages_before_it(target):
    assert re.findall(r"COPY --from=(\S+)", STAGES[target]) == [
        {"billing": "wheels", "billing-admin": "wheels-admin"}[target],
        "code",
    ]


def test_the_process_is_not_root_by_number_and_writes_to_one_folder():
    assert "\nUSER 10001:10001\n" in STAGES["base"]
    assert set(re.findall(r"(?:HOME|STATE_DIR|HEARTBEAT_FILE|WORKDIR)[= ](\S+)", STAGES["base"])) == {
        "/tmp",
        "/tmp/heartbeat",
    }


def test_without_a_target_the_payment_path_is_built():
    assert list(STAGES)[-1] == "billing"
