"""Two stacks that start at the same time never choose the same port."""

import subprocess
import sys

from deploy.local.ports import claim, free_port, is_free

CLAIM = "import sys; from deploy.local.ports import claim; print(claim(int(sys.argv[1])))"


def claimed_by_another_process(port: int) -> bool:
    done = subprocess.run([sys.executable, "-c", CLAIM, str(port)], capture_output=True, text=True, check=True)
    return done.stdout.strip() == "True"


def test_a_port_that_was_chosen_is_no_other_process_although_nobody_listens_yet() -> None:
    port = free_port()
    assert is_free(port)
    assert not claimed_by_another_process(port)
    assert claim(port)  # by this one, again


def test_the_claim_ends_with_its_process() -> None:
    port = next(port for port in range(20_000, 32_000) if claimed_by_another_process(port))
    assert claim(port)


def test_no_port_is_chosen_twice() -> None:
    assert len({free_port() for _ in range(300)}) == 300
