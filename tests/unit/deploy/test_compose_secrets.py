"""What docker-compose.yml's service `secrets` writes."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from deploy.compose_secrets import make_secrets
from providers.registry import PLUGINS
from providers.startup_check import ProvidersRefused, require_one_world
from runtime.settings import Settings

FOLDERS = ("billing", "sandbox", "postgres", "rabbitmq", "clickhouse")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in FOLDERS:
        (tmp_path / name).mkdir()
    return tmp_path


def contents(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def test_our_settings_have_the_passwords_of_the_servers(root):
    make_secrets(root)
    settings = Settings(_secrets_dir=root / "billing")
    for name, url in (
        ("postgres", settings.postgres_url),
        ("rabbitmq", settings.rabbitmq_url),
        ("clickhouse", settings.clickhouse_url),
    ):
        assert urlsplit(url).password == (root / name / "password").read_text()
        assert urlsplit(url).hostname == name


def test_rabbitmq_reads_its_own_from_its_configuration(root):
    make_secrets(root)
    password = (root / "rabbitmq" / "password").read_text()
    assert (root / "rabbitmq" / "rabbitmq.conf").read_text() == f"default_user = billing\ndefault_pass = {password}\n"


def test_a_second_run_changes_nothing(root):
    make_secrets(root)
    first = contents(root)
    make_secrets(root)
    assert contents(root) == first


def test_an_interrupted_run_is_finished_by_the_next(root, monkeypatch):
    calls = []
    replace = Path.replace

    def dies(draft: Path, path: Path) -> Path:
        calls.append(path)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return replace(draft, path)

    monkeypatch.setattr(Path, "replace", dies)
    with pytest.raises(KeyboardInterrupt):
        make_secrets(root)
    kept = contents(root)["postgres/password"]
    monkeypatch.undo()
    make_secrets(root)
    assert contents(root)["postgres/password"] == kept
    assert kept in (root / "billing" / "billing_postgres_url").read_text()


def test_no_two_secrets_are_the_same_and_no_two_runs_give_the_same(root, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    for name in FOLDERS:
        (other / name).mkdir()
    make_secrets(root)
    make_secrets(other)
    passwords = [
        (folder / name).read_text()
        for folder in (root, other)
        for name in ("postgres/password", "rabbitmq/password", "clickhouse/password")
    ]
    assert len(set(passwords)) == 6
    assert min(map(len, passwords)) == 64


def test_files_can_be_read_by_the_users_of_the_images_and_written_by_nobody(root):
    make_secrets(root)
    assert {path.stat().st_mode & 0o777 for path in root.rglob("*") if path.is_file()} == {0o444}


def test_the_sandbox_and_our_processes_share_secrets_that_are_known_as_the_sandboxs(root):
    make_secrets(root)
    for plugin in PLUGINS.values():
        ours = plugin.settings(_secrets_dir=root / "billing")
        its = plugin.settings(_secrets_dir=root / "sandbox")
        assert ours == its
        assert ours.is_set_up
        with pytest.raises(ProvidersRefused, match="is the sandbox's"):
            require_one_world(PLUGINS, {plugin.name: ours})  # at the real provider's address, which is the default
