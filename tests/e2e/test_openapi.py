"""The OpenAPI document against the running service: schemathesis sends what it allows and what it does not."""

import asyncio
import json
import os
import re
import sys
from pathlib import Path

from tests.support.shop import a_shop

CONFIG = Path(__file__).parent / "openapi" / "schemathesis.toml"
ROOT = Path(__file__).parents[2]
LINKS = re.compile(r"API Links: +(\d+) covered")


async def test_the_service_answers_as_documented_whatever_is_sent(stack, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    environment = {
        **os.environ,
        "BILLING_TEST_INGEST_URL": stack["urls"]["ingest"],
        "BILLING_TEST_API_KEY": stack["api_key"],
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "schemathesis.cli", "--no-color", "--config-file", str(CONFIG), "run"]
    command += [f"{stack['urls']['ingest']}/openapi.json", "--report-json-path", str(report)]
    async with a_shop(stack):  # paid payments have more to answer
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        output = (await process.communicate())[0].decode()

    assert process.returncode == 0, output
    found = json.loads(report.read_text())
    assert found["operations"]["tested"] == found["operations"]["total"], output
    assert not found["errors"], output
    for operation in ("POST /v1/payments", "GET /v1/payments/{payment_id}", "POST /v1/payments/{payment_id}/refund"):
        reached = found["valid_rates"][operation].values()
        assert any(phase["accepted"] for phase in reached), f"{operation} was never accepted\n{output}"
    links = LINKS.search(output)
    assert links is not None, output
    assert int(links[1]) > 0, output
