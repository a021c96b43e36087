"""What a shop reads of its customers' subscriptions."""

from uuid import UUID

import msgspec
import pytest

from ingest_api.problems import unavailable
from storage.journal.story import TimelineEntry
from tests.support.ingest_fakes import NOW
from tests.support.subscription_shop import PATH, Shop


async def test_a_subscription_is_read_with_its_period_its_method_and_what_happens_next(shop: Shop) -> None:
    await shop.active()
    told = (await shop.get()).json

    assert (told["status"], told["life"], told["billing_day"]) == ("ACTIVE", 1, 1)
    period = told["current_period"]
    assert (period["start_at"], period["end_at"]) == ("2026-03-01T12:00:00Z", "2026-04-01T12:00:00Z")
    assert (period["status"], period["amount"]) == ("PAID", 39900)
    assert told["payment_method"]["provider"] == "yandex-pay"
    assert told["access_until"] == "2026-04-04T12:00:00Z"
    assert told["next_action"]["kind"] == "NOTICE"


async def test_a_declined_renewal_shows_what_is_done_about_it(shop: Shop) -> None:
    await shop.overdue("insufficient_funds")
    told = (await shop.get()).json

    assert told["status"] == "PAST_DUE"
    dunning = told["dunning"]
    assert (dunning["reason"], dunning["decline"], dunning["attempts"]) == ("insufficient_funds", "SOFT", 1)
    assert dunning["next_try_at"] == told["next_action"]["at"]
    assert told["access_until"] == dunning["grace_until"] < dunning["gives_up_at"]


async def test_a_client_that_has_it_already_gets_304(shop: Shop) -> None:
    await shop.active()
    etag = (await shop.get()).headers["ETag"]
    assert (await shop.get(**{"If-None-Match": etag})).status == 304


async def test_periods_and_attempts(shop: Shop) -> None:
    await shop.overdue("insufficient_funds")
    (period,) = (await shop.get(f"{PATH}/periods")).json["data"]
    first, renewal = (await shop.get(f"{PATH}/attempts")).json["data"]

    assert (period["number"], period["payment"]) == (1, first["payment"])
    assert (first["purpose"], first["state"], first["payment_method"]) == ("FIRST", "PAID", None)
    assert (renewal["state"], renewal["reason"], renewal["decline"]) == ("FAILED", "insufficient_funds", "SOFT")
    assert renewal["payment_method"] == (await shop.get()).json["payment_method"]["id"]


async def test_the_forecast_says_what_is_charged_and_told_when(shop: Shop) -> None:
    await shop.active()
    entries = (await shop.get(f"{PATH}/forecast?periods=2")).json["data"]

    charges = [entry for entry in entries if entry["what"] == "CHARGE"]
    assert [(entry["period"], entry["amount"], entry["at"][:10]) for entry in charges] == [
        (2, 39900, "2026-04-01"),
        (3, 39900, "2026-05-01"),
    ]
    assert charges[0]["local"].endswith("+03:00")
    letters = [entry["detail"] for entry in entries if entry["what"] == "NOTICE"]
    assert letters == ["renewal_ahead", "renewed", "renewal_ahead", "renewed"]
    assert [entry["at"] for entry in entries] == sorted(entry["at"] for entry in entries)
    assert len((await shop.get(f"{PATH}/forecast")).json["data"]) > len(entries)


async def test_the_forecast_of_a_cancelled_subscription_is_its_end(shop: Shop) -> None:
    await shop.active()
    await shop.act("cancel")
    entries = (await shop.get(f"{PATH}/forecast")).json["data"]
    assert [(e["what"], e["detail"], e["at"]) for e in entries if e["what"] == "STATUS"] == [
        ("STATUS", "ENDED", "2026-04-01T12:00:00Z")
    ]
    assert not [e for e in entries if e["what"] == "CHARGE"]


async def test_the_forecast_before_the_first_payment_begins_with_it(shop: Shop) -> None:
    await shop.subscribe()
    entries = (await shop.get(f"{PATH}/forecast?periods=2")).json["data"]
    assert [(e["what"], e["period"]) for e in entries if e["what"] in ("CHARGE", "PAID")] == [
        ("PAID", 1),
        ("CHARGE", 2),
        ("PAID", 2),
    ]


async def test_the_forecast_of_a_charge_under_way_takes_it_as_paid(shop: Shop) -> None:
    await shop.charged()
    entries = (await shop.get(f"{PATH}/forecast?periods=1")).json["data"]
    assert [(e["what"], e["period"]) for e in entries if e["what"] in ("CHARGE", "PAID")] == [("PAID", 2)]


@pytest.mark.parametrize("periods", ["0", "37", "x"])
async def test_a_forecast_is_bounded(shop: Shop, periods: str) -> None:
    await shop.active()
    (await shop.get(f"{PATH}/forecast?periods={periods}")).is_problem(422, "invalid-request")


async def test_the_timeline_shows_no_names_of_operators(shop: Shop) -> None:
    await shop.active()
    shop.world.subscriptions.entries = [
        TimelineEntry(
            at=NOW, kind="command", summary="subscription.keep", actor="operator:olga", position="0/1", data={}
        )
    ]
    answer = await shop.get(f"{PATH}/timeline")
    assert answer.json == {"data": [{"at": "2026-03-01T12:00:00Z", "kind": "command", "summary": "subscription.keep"}]}


async def test_the_list_pages_and_filters(shop: Shop) -> None:
    await shop.active()
    for number in range(1, 4):
        shop.keep(msgspec.structs.replace(shop.subscription, id=UUID(int=number)))

    first = await shop.get("/v1/subscriptions?limit=3&customer_id=c-1842&status=ACTIVE&plan=cinema")
    assert (len(first.json["data"]), first.json["has_more"]) == (3, True)
    filters = shop.world.subscriptions.filters
    assert filters is not None
    assert (filters.customer_id, filters.status, filters.plan) == ("c-1842", "ACTIVE", "cinema")
    second = await shop.get(f"/v1/subscriptions?cursor={first.json['next_cursor']}")
    assert (len(second.json["data"]), second.json["has_more"], second.json["next_cursor"]) == (1, False, None)
    assert first.headers["Link"].startswith("</v1/subscriptions?")
    ids = [s["id"] for s in (*first.json["data"], *second.json["data"])]
    assert len(set(ids)) == 4
    assert (await shop.world.get("/v1/subscriptions", Authorization="Bearer shop-key-1")).json["data"] == []


@pytest.mark.parametrize("query", ["status=PAID", "limit=101", "cursor=x", "until=1", "customer_id=a&customer_id=b"])
async def test_a_list_refuses_what_it_does_not_know(shop: Shop, query: str) -> None:
    (await shop.get(f"/v1/subscriptions?{query}")).is_problem(422, "invalid-request")


async def test_reads_need_the_scope(shop: Shop) -> None:
    await shop.active()
    await shop.key_with("payments", "payments:read", "subscriptions:write")
    for path in (PATH, "/v1/subscriptions", "/v1/plans", f"{PATH}/forecast", f"{PATH}/events"):
        answer = await shop.world.get(path, Authorization="Bearer payments")
        answer.is_problem(403, "forbidden")
        assert answer.json["scope"] == "subscriptions:read"


async def test_without_postgres_reads_are_503(shop: Shop) -> None:
    shop.world.subscriptions.error = unavailable("subscriptions cannot be read now")
    answer = await shop.get()
    answer.is_problem(503, "service-unavailable")
    assert answer.headers["Retry-After"] == "1"
