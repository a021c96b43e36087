"""What the local stack remembers, and what it removes."""

import socket

from deploy.local.layout import LOG_LIMIT_BYTES, Layout, Memory, load_memory, save_memory, trim_log
from deploy.local.ports import is_free


def test_ports_and_secrets_stay_the_same_from_start_to_start(tmp_path):
    layout = Layout(tmp_path)
    memory = Memory()
    port, secret = memory.port("kafka"), memory.secret("postgres")
    save_memory(layout, memory)
    again = load_memory(layout)
    assert (again.port("kafka"), again.secret("postgres")) == (port, secret)


def test_parts_get_different_ports():
    memory = Memory()
    assert len({memory.port(str(number)) for number in range(20)}) == 20


def test_a_port_that_somebody_else_took_is_replaced(tmp_path):
    layout = Layout(tmp_path)
    memory = Memory()
    port = memory.port("kafka")
    save_memory(layout, memory)
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        assert not is_free(port)
        assert load_memory(layout).port("kafka") != port


def test_what_is_remembered_is_for_the_owner_alone(tmp_path):
    layout = Layout(tmp_path / "state")
    layout.prepare()
    save_memory(layout, Memory())
    assert layout.memory.stat().st_mode & 0o777 == 0o600
    assert layout.root.stat().st_mode & 0o777 == 0o700


def test_wiping_leaves_what_is_not_ours(tmp_path):
    layout = Layout(tmp_path)
    layout.prepare()
    layout.lock.touch()
    (tmp_path / "thesis.txt").write_text("years of work")
    layout.wipe()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_folder_that_never_held_a_stack_is_not_wiped(tmp_path):
    (tmp_path / "logs").mkdir()
    Layout(tmp_path).wipe()
    assert (tmp_path / "logs").exists()


def test_a_log_over_the_limit_is_moved_aside_under_its_writer(tmp_path):
    path = tmp_path / "kafka.log"
    with path.open("ab", buffering=0) as writer:
        writer.write(b"x" * (LOG_LIMIT_BYTES + 1))
        trim_log(path)
        writer.write(b"later")
    assert path.read_bytes() == b"later"
    assert path.with_suffix(".log.1").stat().st_size == LOG_LIMIT_BYTES + 1
