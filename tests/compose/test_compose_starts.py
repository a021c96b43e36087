"""docker-compose.yml really starts: our images and our file, run by Podman.

It does not show that the vendors' images start: there is no registry here, so stand-ins made from the same programs
(tests/compose/images/) take their names, their variables, their files and their health checks. What is unproven is
how the vendors' entry points read them; and Docker's own reading of the file.
"""

import json

import pytest

from tests.compose.conftest import FILE, HEALTHY_WITHIN_S, REPLICAS, ROOT, SERVICES, Compose

pytestmark = [pytest.mark.compose, pytest.mark.timeout(900)]

OURS = [name for name, service in SERVICES.items() if "build" in service]
#: Unpacked, MB.
SIZES = {"cinema-billing": 350, "cinema-billing-admin": 520}


def test_all_services_are_healthy_in_time(compose: Compose) -> None:
    for name, seconds in sorted(compose.healthy_after_s.items(), key=lambda item: item[1]):
        print(f"{seconds:6.1f} s  {name}")
    assert set(compose.healthy_after_s) == set(SERVICES)
    assert max(compose.healthy_after_s.values()) <= HEALTHY_WITHIN_S


@pytest.mark.parametrize("image", SIZES)
def test_our_images_are_small(compose: Compose, image: str) -> None:
    size = int(compose.podman("image", "inspect", "--format", "{{.Size}}", image)) // 1_000_000
    print(f"{image}: {size} MB unpacked, of at most {SIZES[image]}")
    assert size <= SIZES[image]


@pytest.mark.parametrize("service", [name for name in OURS if "healthcheck" in SERVICES[name]])
def test_our_processes_have_no_rights_and_cannot_write(compose: Compose, service: str) -> None:
    for container in compose.containers(service):
        status = dict(
            line.split(":\t", 1)
            for line in compose.execute(container, "cat", "/proc/1/status").splitlines()
            if ":\t" in line
        )
        assert status["Uid"].split() == ["10001"] * 4
        assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb")} == {0}
        assert status["NoNewPrivs"] == "1"
        write = "for d in / /opt/billing /etc /var /run/secrets; do [ ! -d $d ] || touch $d/x 2>&1; done; touch /tmp/x"
        refused = compose.execute(container, "sh", "-c", write).splitlines()
        assert len(refused) >= 4
        assert all("Read-only file system" in line or "Permission denied" in line for line in refused), refused
        assert compose.inspect(container)["HostConfig"]["ReadonlyRootfs"] is True


def test_each_replica_of_ingest_has_a_slot_of_its_own(compose: Compose) -> None:
    query = "SELECT slot FROM process_leases WHERE kind = 'ingest' AND until > now() ORDER BY slot"
    code = (
        "import asyncio, asyncpg; from runtime.settings import Settings\n"
        "async def ask():\n"
        "    connection = await asyncpg.connect(Settings().postgres_url)\n"
        f'    print([row["slot"] for row in await connection.fetch("{query}")])\n'
        "asyncio.run(ask())"
    )
    found = json.loads(compose.execute(compose.containers("ingest")[0], "python", "-", stdin=code))
    assert found == list(range(REPLICAS["ingest"]))


def test_customers_buy_through_the_proxy_and_the_books_are_right(compose: Compose) -> None:
    ingest = compose.containers("ingest")[0]
    made = compose.execute(
        ingest, "billing", "api-keys", "create", "shop", "--actor", "test", "--reason", "test",
        "--scope", "payments:read", "--scope", "payments:write", "--json",
    )  # fmt: skip
    key = json.loads(made)["key"]
    play = (ROOT / "tests" / "compose" / "play.py").read_text()
    played = json.loads(compose.execute(ingest, "python", "-", key, stdin=play).splitlines()[-1])
    assert played["refused"] == []
    assert len(played["accepted"]) == 20
    worker = compose.containers("worker")[0]  # it has the keys to the providers
    found = json.loads(compose.execute(worker, "billing", "verify", "--json").splitlines()[-1])
    assert found["violations"] == []


def test_nothing_is_left_behind(compose: Compose) -> None:
    compose.compose("down", "--volumes", "--timeout", "30")
    assert compose.podman("ps", "--all", "--quiet") == ""
    assert compose.podman("volume", "ls", "--quiet") == ""
    assert FILE["name"] not in compose.podman("network", "ls", "--format", "{{.Name}}")
