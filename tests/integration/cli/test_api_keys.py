"""``billing api-keys`` on the running stack."""

import hashlib
import json
from uuid import uuid4

import pytest
from sqlalchemy import text

from runtime.postgres import create_engine


@pytest.fixture
def client() -> str:
    return f"kiosk-{uuid4().hex[:8]}"


#: Who changes keys, and why.
OPERATOR = ("--actor", "ann", "--reason", "a new kiosk")


def _json(stack, *arguments: str) -> dict:
    done = stack.billing("api-keys", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _mine(stack, client: str, *arguments: str) -> dict[str, dict]:
    return {row["id"]: row for row in _json(stack, "list", *arguments)["api_keys"] if row["client"] == client}


async def test_a_key_is_created_listed_rotated_and_revoked(running, settings, client):
    scopes = ["payments:read", "payments:write"]
    made = _json(running, "create", client, "--scope", scopes[0], "--scope", scopes[1], "--rate", "50", *OPERATOR)
    assert made["scopes"] == scopes
    listed = _mine(running, client)
    assert (listed[made["id"]]["rate_per_s"], listed[made["id"]]["last_used_at"]) == (50, None)
    assert "hash" not in listed[made["id"]]

    engine = create_engine(settings)
    async with engine.connect() as connection:
        stored = await connection.execute(text("SELECT * FROM api_keys WHERE id = :id"), {"id": made["id"]})
        row = stored.mappings().one()
    await engine.dispose()
    assert row["hash"] == hashlib.sha256(made["key"].encode()).digest()
    assert made["key"] not in str(dict(row))

    again = running.billing("api-keys", "create", client, "--scope", "admin", *OPERATOR)
    assert (again.returncode, "already" in again.stderr) == (1, True)

    rotated = _json(running, "rotate", client, *OPERATOR)
    assert (rotated["scopes"], rotated["key"] != made["key"]) == (scopes, True)
    assert set(_mine(running, client)) == {made["id"], rotated["id"]}
    third = running.billing("api-keys", "rotate", client, *OPERATOR)
    assert (third.returncode, "revoke the old one" in third.stderr) == (1, True)

    assert running.billing("api-keys", "revoke", made["id"], *OPERATOR).returncode == 0
    assert set(_mine(running, client)) == {rotated["id"]}
    assert _mine(running, client, "--all")[made["id"]]["revoked_at"] is not None
    assert running.billing("api-keys", "revoke", made["id"], *OPERATOR).returncode == 1
    assert made["key"] not in running.billing("api-keys", "list", "--all").stdout


def test_a_name_a_scope_or_a_client_that_does_not_exist_is_refused(running, client):
    assert running.billing("api-keys", "create", "No Name", "--scope", "admin", *OPERATOR).returncode == 2
    assert running.billing("api-keys", "create", client, "--scope", "everything", *OPERATOR).returncode == 2
    assert running.billing("api-keys", "rotate", client, *OPERATOR).returncode == 1


def test_a_change_without_a_reason_is_refused(running, client):
    for change in (["create", client, "--scope", "admin"], ["rotate", client], ["revoke", "an-id"]):
        assert running.billing("api-keys", *change, "--actor", "ann").returncode == 2
        assert running.billing("api-keys", *change, "--actor", "ann", "--reason", " ").returncode == 2


async def test_the_hosts_of_a_client_are_set_and_shown(running, client):
    made = _json(running, "create", client, "--scope", "admin", "--return-host", "Shop.example", *OPERATOR)
    assert _mine(running, client)[made["id"]]["return_hosts"] == ["shop.example"]

    hosts = ("--return-host", "shop.example", "--return-host", "*.shop.example")
    assert running.billing("api-keys", "return-hosts", client, *hosts, *OPERATOR).returncode == 0
    assert _mine(running, client)[made["id"]]["return_hosts"] == ["*.shop.example", "shop.example"]
    assert running.billing("api-keys", "return-hosts", client, *OPERATOR).returncode == 0
    assert _mine(running, client)[made["id"]]["return_hosts"] is None

    refused = running.billing("api-keys", "return-hosts", client, "--return-host", "https://x", *OPERATOR)
    assert (refused.returncode, "is no host" in refused.stderr) == (2, True)
    assert running.billing("api-keys", "return-hosts", f"{client}-x", *OPERATOR).returncode == 1
