"""The analytics API."""

from datetime import date

import pytest

from analytics.report import Result
from billing.access.roles import Role
from storage.access.api_keys import StoredKey
from storage.access.key_ring import KeysUnavailable, digest_of
from tests.support.factories import NOW

BOOKS = Result(
    ("day", "currency", "gross", "refunds", "fees", "net"), [(date(2026, 11, 23), "RUB", 358_800, 29_900, 0, 328_900)]
)


async def test_a_report_is_rows_with_whole_minor_units(world):
    world.store.results["books_by_day"] = BOOKS
    answer = await world.get("/v1/analytics/books_by_day?from=2026-11-01&to=2026-11-23")
    report = await answer.json()
    assert answer.status == 200
    assert report["rows"] == [
        {"day": "2026-11-23", "currency": "RUB", "gross": 358_800, "refunds": 29_900, "fees": 0, "net": 328_900}
    ]
    assert report["money"] == ["gross", "refunds", "fees", "net"]
    assert world.store.asked == [("books_by_day", {"from": date(2026, 11, 1), "to": date(2026, 11, 23)})]


async def test_a_report_is_a_file_if_csv_is_accepted(world):
    world.store.results["books_by_day"] = BOOKS
    answer = await world.get("/v1/analytics/books_by_day", Accept="text/csv")
    assert answer.content_type == "text/csv"
    assert (await answer.text()).splitlines()[1] == "2026-11-23,RUB,358800,29900,0,328900"


async def test_every_report_is_listed_with_its_parameters(world):
    listed = (await (await world.get("/v1/analytics")).json())["data"]
    (funnel,) = [report for report in listed if report["name"] == "funnel"]
    assert [parameter["name"] for parameter in funnel["parameters"]] == ["from", "to", "provider"]
    assert len(listed) >= 15


async def test_a_column_that_counts_payments_says_so(world):
    listed = (await (await world.get("/v1/analytics")).json())["data"]
    (refunds,) = [report for report in listed if report["name"] == "refund_ratio"]
    for column in ("captured", "refunded"):
        assert column not in refunds["money"]
        assert refunds["meanings"][column].startswith("number of")


@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        ("/v1/analytics/nothing", {}, 404, "unknown-report"),
        ("/v1/analytics/funnel?colour=red", {}, 422, "invalid-parameter"),
        ("/v1/analytics/funnel?from=yesterday", {}, 422, "invalid-parameter"),
        ("/v1/analytics/funnel", {"Accept": "image/png"}, 406, "not-acceptable"),
        ("/v1/analytics/funnel", {"Authorization": "Bearer wrong"}, 401, "unauthorized"),
        ("/v1/analytics/funnel", {"Authorization": "Basic x"}, 401, "unauthorized"),
        ("/v1/analytics", {"Authorization": ""}, 401, "unauthorized"),
    ],
)
async def test_each_error_is_a_documented_problem(world, path, headers, status, code):
    answer = await world.get(path, **headers)
    document = await answer.json(content_type="application/problem+json")
    assert (answer.status, document["status"], document["type"]) == (status, status, f"/problems/{code}")
    described = await world.get(document["type"])
    description = await described.json()
    assert description["resolution"] == description["cure"] != ""
    assert world.store.asked == []


@pytest.mark.parametrize(
    ("path", "method", "status", "code"),
    [("/nowhere", "GET", 404, "not-found"), ("/v1/analytics", "POST", 405, "method-not-allowed")],
)
async def test_what_is_not_there_is_a_problem_document_too(world, path, method, status, code):
    answer = await world.http.request(method, world.url + path)
    document = await answer.json(content_type="application/problem+json")
    assert (answer.status, document["type"]) == (status, f"/problems/{code}")
    assert (await world.get(document["type"])).status == 200


async def test_unavailable_clickhouse_is_a_503_with_retry_after(world):
    world.store.unavailable = True
    answer = await world.get("/v1/analytics/funnel")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    assert (await world.get("/livez")).status == 200


async def test_a_process_without_postgres_is_not_ready(world):
    answer = await world.get("/readyz")
    assert (answer.status, await answer.json()) == (503, {"ready": False, "reasons": ["Postgres does not answer"]})
    world.store.unavailable = True
    assert len((await (await world.get("/readyz")).json())["reasons"]) == 2


def key_of(client: str, *scopes: str) -> StoredKey:
    return StoredKey(
        id="k", client=client, hash=digest_of("a key"), scopes=list(scopes), rate_per_s=None, created_at=NOW,
        revoked_at=None, last_used_at=None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("scopes", "only"),
    [
        (["analytics:read"], "shop"),
        (["analytics:read", "analytics:all"], None),
        (["analytics:all"], None),
        (["admin"], None),
    ],
)
async def test_a_client_reads_its_own_payments_unless_it_may_read_all(world, scopes, only):
    world.keys.keys = [key_of("shop", *scopes)]
    await world.access.keys.refresh()

    await world.get("/v1/analytics/funnel", Authorization="Bearer a key")
    await world.get("/v1/analytics/funnel", Authorization="Bearer a key", Accept="text/csv")
    assert world.store.asked_for == [only, only]

    listed = (await (await world.get("/v1/analytics", Authorization="Bearer a key")).json())["data"]
    assert ("stream_lag" in {report["name"] for report in listed}) == (only is None)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.SUPPORT])
async def test_a_page_shows_the_payments_of_all_clients_to_the_staff(world, role):
    await world.sign_in(role)
    for path in ("/reports", "/reports/funnel", "/reports/funnel.csv", "/reports/funnel.svg"):
        assert (await world.http.get(world.url + path)).status == 200
    assert set(world.store.asked_for) == {None}


@pytest.mark.parametrize(
    ("scopes", "status"), [(["analytics:read"], 200), (["admin"], 200), (["payments:read", "payments:write"], 403)]
)
async def test_a_key_allows_reports_only_with_the_scope_and_its_use_is_recorded(world, scopes, status):
    world.keys.keys = [
        StoredKey(
            id="k", client="c", hash=digest_of("a key"), scopes=scopes, rate_per_s=None, created_at=NOW,
            revoked_at=None, last_used_at=None,
        )
    ]  # fmt: skip
    await world.access.keys.refresh()

    assert (await world.get("/v1/analytics", Authorization="Bearer a key")).status == status

    await world.access.keys.refresh()
    assert world.keys.used == ({"k": NOW} if status == 200 else {})


async def test_a_revoked_key_is_refused_and_while_keys_cannot_be_read_the_known_ones_stay_valid(world):
    key = StoredKey(
        id="k", client="c", hash=digest_of("a key"), scopes=["admin"], rate_per_s=None, created_at=NOW,
        revoked_at=None, last_used_at=None,
    )  # fmt: skip
    world.keys.keys = [key]
    await world.access.keys.refresh()
    world.keys.unavailable = True
    with pytest.raises(KeysUnavailable):
        await world.access.keys.refresh()
    assert (await world.get("/v1/analytics", Authorization="Bearer a key")).status == 200

    world.keys.unavailable, world.keys.keys = False, []
    await world.access.keys.refresh()
    assert (await world.get("/v1/analytics", Authorization="Bearer a key")).status == 401


async def test_before_the_keys_were_read_an_unknown_key_is_not_called_wrong(world):
    world.access.keys.is_loaded = False
    assert (await world.get("/v1/analytics", Authorization="Bearer a key")).status == 503
    assert (await world.get("/v1/analytics")).status == 200, "keys of the settings are known from the start"


async def test_the_document_lists_every_path_and_problem(world):
    document = await (await world.get("/openapi.json")).json()
    discrepancy = "/v1/clearing/discrepancies/{id}"
    assert set(document["paths"]) == {
        "/v1/analytics",
        "/v1/analytics/{name}",
        "/v1/clearing/days",
        "/v1/clearing/days/{day}",
        "/v1/clearing/days/{day}/close",
        "/v1/clearing/days/{day}/report.csv",
        "/v1/clearing/days/{day}/report.html",
        "/v1/clearing/discrepancies",
        discrepancy,
        *(f"{discrepancy}/{decision}" for decision in ("claim", "reopen", "resolve")),
        "/v1/clearing/runs",
        "/v1/clearing/stuck",
        "/v1/clearing/trial-balance/{day}",
    }
    assert {"200", "401", "403", "404", "406", "422", "503"} <= set(
        document["paths"]["/v1/analytics/{name}"]["get"]["responses"]
    )
