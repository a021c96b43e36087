"""What every answer has, whatever was asked."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
import structlog
from jsonschema import Draft202012Validator

from billing.reasons import Reason
from ingest_api.payments.postgres_reads import PostgresReads
from ingest_api.payments.schemas import CancelIn, CaptureIn, RefundIn, VoidIn
from ingest_api.problems import Problem
from runtime.postgres import create_engine
from runtime.settings import Settings
from tests.support.ingest_server import request

PROBLEMS_PAGE = Path(__file__).parents[3] / "docs" / "problems.md"


async def test_an_unknown_path(world) -> None:
    (await world.get("/v2/payments")).is_problem(404, "not-found")


async def test_an_unsupported_method(world) -> None:
    answer = await world.get("/v1/payments/1/capture")

    answer.is_problem(405, "method-not-allowed")
    assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    ("path", "methods"), [("/v1/payments", "POST, GET"), ("/v1/payments/1", "GET"), ("/livez", "GET")]
)
async def test_an_unsupported_method_gets_the_supported_ones(world, path: str, methods: str) -> None:
    answer = await world.send("DELETE", path)

    assert (answer.status, answer.headers["Allow"]) == (405, methods)


async def test_an_unexpected_error_tells_nothing_of_the_inside(world, body) -> None:
    def explode(_command: Any) -> None:
        raise RuntimeError("the secret inside")

    world.writer.on_store = explode
    with structlog.testing.capture_logs() as lines:
        answer = await world.create(body)

    answer.is_problem(500, "internal-error")
    assert b"secret" not in answer.raw
    assert any(line["event"] == "unexpected error" and line["exc_info"] for line in lines)


async def test_a_request_id_is_given_back(world) -> None:
    assert (await world.get("/livez", **{"X-Request-Id": "shop-42.a"})).headers["X-Request-Id"] == "shop-42.a"


async def test_a_log_line_carries_the_id_of_its_request(world) -> None:
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        await world.get("/nowhere", **{"X-Request-Id": "shop-42.a"})
        answer = await world.get("/v1/payments")
    assert [line["request_id"] for line in lines] == ["shop-42.a", answer.headers["X-Request-Id"]]


@pytest.mark.parametrize("sent", ["", "x" * 65, "a b", "<script>"])
async def test_a_request_id_that_is_none_is_replaced(world, sent: str) -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", (await world.get("/livez", **{"X-Request-Id": sent})).headers["X-Request-Id"])


async def test_every_answer_has_the_security_headers(world) -> None:
    for path in ("/livez", "/nowhere", "/problems"):
        headers = (await world.get(path)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "Server" not in headers
        assert "Access-Control-Allow-Origin" not in headers


async def test_the_docs_page_needs_nothing_from_elsewhere(world) -> None:
    answer = await world.get("/docs")
    page = answer.raw.decode()

    assert (answer.status, answer.headers["Content-Type"].split(";")[0]) == (200, "text/html")
    assert "script-src 'self';" in answer.headers["Content-Security-Policy"]
    files = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert "/docs/static/scalar.js" in files
    for file in files:
        assert file.startswith(("/", "data:"))
        assert file.startswith("data:") or (await world.get(file)).status == 200


async def test_ready_says_why_not(world) -> None:
    assert ((await world.get("/readyz")).status, (await world.get("/livez")).status) == (200, 200)
    world.writer.unavailable = True
    world.replies.partition = None

    answer = await world.get("/readyz")

    assert answer.status == 503
    assert answer.json == {"ready": False, "reasons": ["not connected to Kafka", "not listening for replies"]}
    assert (await world.get("/livez")).status == 200


async def test_ready_names_postgres_and_stays_ready_for_what_does_not_need_it(world) -> None:
    world.reads.error = RuntimeError("no database")
    answer = await world.get("/readyz")

    assert answer.status == 200
    assert answer.json == {"ready": True, "reasons": ["Postgres does not answer: payments cannot be read"]}


async def test_a_postgres_that_hangs_is_known_within_a_second(monkeypatch) -> None:
    async def never(_reader: Any, _writer: Any) -> None:
        await asyncio.Event().wait()

    server = await asyncio.start_server(never, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reads = PostgresReads(create_engine(Settings(postgres_url=f"postgresql://billing:x@127.0.0.1:{port}/billing")))
    async with asyncio.timeout(5):
        assert not await reads.answers()
    server.close()


async def test_metrics_count_requests_by_route(serve, body) -> None:
    async with serve() as world:
        await world.create(body)
        await world.create({**body, "provider": "nobody"})
        await world.get("/no/such/path")

        text = (await world.get("/metrics")).raw.decode()

    assert 'ingest_requests_total{method="POST",route="/v1/payments",status="202"} 1.0' in text
    assert 'ingest_requests_total{method="any",route="none",status="404"} 1.0' in text
    assert 'ingest_problems_total{code="unknown-provider"} 1.0' in text


async def test_metrics_exist_only_for_the_networks_of_the_setting(serve) -> None:
    async with serve(ingest_metrics_networks=["10.0.0.0/8"]) as world:
        (await world.get("/metrics")).is_problem(404, "not-found")
    async with serve(ingest_metrics_networks=[]) as world:
        (await world.get("/metrics")).is_problem(404, "not-found")


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded"])
async def test_metrics_are_not_read_through_a_proxy(world, header: str) -> None:
    """Whose address the connection has is then the proxy's."""
    answer = await world.get("/metrics", **{header: "10.0.0.7"})
    answer.is_problem(404, "not-found")


@pytest.mark.parametrize(
    ("address", "status"),
    [("127.0.0.1", 200), ("10.1.2.3", 200), ("fd00::1", 200), ("203.0.113.9", 404), ("2001:db8::1", 404), ("", 404)],
)
async def test_metrics_are_for_private_networks_unless_set_otherwise(world, address: str, status: int) -> None:
    answer = await request(world.app, "GET", "/metrics", [], None, client=address)
    assert answer.status == status


@pytest.mark.parametrize("problem", Problem, ids=lambda problem: problem.code)
async def test_every_problem_type_resolves_to_its_description(world, problem: Problem) -> None:
    answer = await world.get(problem.uri)

    assert answer.status == 200
    assert answer.json == {
        "type": problem.uri,
        "status": problem.status,
        "title": problem.title,
        "cause": problem.cause,
        "resolution": problem.resolution,
        "cure": problem.resolution,
    }


async def test_a_browser_gets_pages_of_problems(world) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
    one = await world.get("/problems/card-number", **browser)
    every = await world.get("/problems", **browser)

    for answer in (one, every):
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert "style-src 'sha256-" in answer.headers["Content-Security-Policy"]
        assert Problem.CARD_NUMBER.resolution.replace("'", "&#x27;") in answer.raw.decode()
    assert all(f'href="{problem.uri}"' in every.raw.decode() for problem in Problem)
    assert (await world.get("/problems/none", **browser)).status == 404


async def test_a_renamed_problem_type_still_resolves_to_its_description(world) -> None:
    answer = await world.get("/problems/payment-not-unpaid")

    assert (answer.status, answer.json["type"]) == (200, "/problems/payment-already-paid")


def test_the_documentation_lists_every_problem_type() -> None:
    rows = [f"| `{p.code}` | {p.status} | {p.title} | {p.cause} | {p.resolution} |" for p in Problem]
    listed = [line for line in PROBLEMS_PAGE.read_text().splitlines() if line.startswith("| `")]
    assert listed == sorted(rows)


async def test_problem_types_are_listed(world) -> None:
    assert len((await world.get("/problems")).json["problems"]) == len(Problem)
    (await world.get("/problems/none-such")).is_problem(404, "not-found")


def test_the_openapi_document_is_whole(document) -> None:
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) >= {"/v1/payments", "/v1/payments/{payment_id}", "/webhooks/yandex-pay/v1/webhook"}
    for reference in _references(document):
        place = document
        for step in reference.removeprefix("#/").split("/"):
            assert step in place, reference
            place = place[step]
    create = document["paths"]["/v1/payments"]["post"]
    assert set(create["responses"]) == {
        "201", "202", "400", "401", "403", "408", "409", "413", "415", "422", "429", "500", "503",
    }  # fmt: skip


@pytest.mark.parametrize("schema", ["PaymentView", "OperationOut", "OperationResult"])
def test_every_reason_of_a_failure_is_documented(document, schema: str) -> None:
    description = document["components"]["schemas"][schema]["properties"]["reason"]["description"]
    assert all(f" {reason}" in description for reason in Reason)


def test_every_body_every_answer_and_every_problem_is_documented_with_an_example(document) -> None:
    assert set(document["components"]["examples"]) == {problem.code for problem in Problem}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for where in (operation.get("requestBody", {}), *operation["responses"].values()):
                for media_type, content in where.get("content", {}).items():
                    assert "example" in content or content["examples"], (method, path, media_type)
                    assert content["schema"], (method, path, media_type)
            assert all(
                "content" in answer for status, answer in operation["responses"].items() if status not in ("204", "304")
            )


def test_every_example_fits_its_schema(document) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for where in (operation.get("requestBody", {}), *operation["responses"].values()):
                for media_type, content in where.get("content", {}).items():
                    schema = {**content["schema"], "components": document["components"]}
                    validator = Draft202012Validator(schema)
                    named = list(content.get("examples", {}).values())
                    values = [
                        document["components"]["examples"][e["$ref"].rpartition("/")[2]]["value"]
                        for e in named
                        if "$ref" in e
                    ]
                    for value in (*values, *([content["example"]] if "example" in content else [])):
                        faults = [fault.message for fault in validator.iter_errors(value)]
                        assert not faults, (method, path, media_type)


def test_every_member_of_every_schema_and_every_parameter_is_described(document) -> None:
    schemas = document["components"]["schemas"]
    members = [
        (name, member, of) for name, schema in schemas.items() for member, of in schema.get("properties", {}).items()
    ]
    assert [(name, member) for name, member, of in members if not of.get("description")] == []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            names = [(each["in"], each["name"]) for each in operation.get("parameters", ())]
            assert len(names) == len(set(names)), (method, path)
            assert all(each.get("description") for each in operation.get("parameters", ())), (method, path)


def test_a_default_fits_its_schema(document) -> None:
    for name, schema in document["components"]["schemas"].items():
        for member, of in schema.get("properties", {}).items():
            if "default" in of:
                validator = Draft202012Validator({**of, "components": document["components"]})
                assert validator.is_valid(of["default"]), (name, member)


def test_the_document_says_where_it_is_who_answers_for_it_and_what_is_public(document) -> None:
    assert document["servers"]
    assert document["info"]["contact"]
    assert document["info"]["license"]
    tags = {tag["name"] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert set(operation["tags"]) <= tags
            assert operation["security"] == ([{"api_key": []}] if path.startswith("/v1/") else [])


async def test_the_documented_example_is_accepted(world, document) -> None:
    example = document["paths"]["/v1/payments"]["post"]["requestBody"]["content"]["application/json"]["example"]

    assert (await world.create(example)).status == 202


def test_the_documented_examples_of_the_actions_fit_and_every_problem_has_one(document) -> None:
    for name, body in (("capture", CaptureIn), ("void", VoidIn), ("refund", RefundIn), ("cancel", CancelIn)):
        operation = document["paths"][f"/v1/payments/{{payment_id}}/{name}"]["post"]
        content = operation["requestBody"]["content"]["application/json"]
        body.model_validate_json(json.dumps(content["example"]))
    for methods in document["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                for problem in response.get("content", {}).get("application/problem+json", {}).get("examples", {}):
                    assert problem in {each.code for each in Problem if str(each.status) == status}


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [reference for value in node.values() for reference in _references(value)]
    if isinstance(node, list):
        return [reference for value in node for reference in _references(value)]
    return []
