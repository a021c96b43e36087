"""The secrets of docker-compose.yml, made on its first run by the service `secrets`.

Each folder below the root is a volume that only the containers which need it mount: a server's holds its password,
`billing` the settings of our processes that contain one, `sandbox` those with which the sandbox stands for the providers,
which our processes have as well. They begin with `sandbox`: no process takes one for a real provider's. Files may therefore be read by any user of such a container.
A password is made once and never changed: the server took it over when it made its data.
"""

import json
import secrets
import sys
from pathlib import Path

from providers.registry import PLUGINS
from providers.startup_check import SANDBOX_SECRET


def make_secrets(root: Path) -> None:
    """Write what is missing. Safe to run again, and to be interrupted."""
    postgres, rabbitmq, clickhouse = (
        _password(root / name / "password") for name in ("postgres", "rabbitmq", "clickhouse")
    )
    _write(root / "rabbitmq" / "rabbitmq.conf", f"default_user = billing\ndefault_pass = {rabbitmq}\n")
    ours = root / "billing"
    _write(ours / "billing_postgres_url", f"postgresql://billing:{postgres}@postgres:5432/billing")
    _write(ours / "billing_rabbitmq_url", f"amqp://billing:{rabbitmq}@rabbitmq:5672/")
    _write(ours / "billing_clickhouse_url", f"http://billing:{clickhouse}@clickhouse:8123/billing")
    for variable, is_list in sandbox_secrets().items():
        name = variable.lower()
        secret = f"{SANDBOX_SECRET}-{_password(root / 'sandbox' / 'made' / name)}"
        for folder in (ours, root / "sandbox"):
            _write(folder / name, json.dumps([secret]) if is_list else secret)


def sandbox_secrets() -> dict[str, bool]:
    """The variables with the secrets of the accounts at the sandbox, and whether each is a list."""
    return {
        plugin.settings.variable(field): is_list
        for plugin in PLUGINS.values()
        for field, is_list in plugin.settings.secret_fields().items()
    }


def _password(path: Path) -> str:
    if not path.exists():
        _write(path, secrets.token_hex(32))
    return path.read_text()


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(exist_ok=True)
    draft = path.with_name(f".{path.name}")
    draft.write_text(content)
    draft.chmod(0o444)
    draft.replace(path)


if __name__ == "__main__":
    make_secrets(Path(sys.argv[1]))
