"""What a shop sees when it lists its payments, and the timeline of one."""

import base64
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest

from storage.journal.story import TimelineEntry
from storage.payments.lists import Filters
from tests.support.factories import NOW, captured

AUTH = {"Authorization": "Bearer site-key-1"}


def cursor(moment: str) -> str:
    """A cursor made by hand."""
    place = f'{{"created_at":"{moment}","id":"00000000-0000-0000-0000-000000000001"}}'
    return base64.urlsafe_b64encode(place.encode()).decode()


async def test_pages_follow_each_other_and_show_every_payment_once(world) -> None:
    for n in range(7):
        # Two at a time share their moment: the id decides.
        world.keep(msgspec.structs.replace(captured(), created_at=NOW + timedelta(seconds=n // 2)))
    seen, path, pages = [], "/v1/payments?limit=3", 0
    while path:
        answer = await world.get(path, **AUTH)
        seen += [(payment["created_at"], payment["id"]) for payment in answer.json["data"]]
        link = answer.headers.get("Link")
        assert (link is None) == (answer.json["next_cursor"] is None)
        assert answer.json["has_more"] is (link is not None)
        path = link.split(">")[0].removeprefix("<") if link else None
        pages += 1

    assert pages == 3
    assert len(seen) == len(set(seen)) == 7
    assert seen == sorted(seen, reverse=True)


async def test_every_filter_reaches_the_query(world) -> None:
    query = (
        "customer_id=c-1&status=CAPTURED&provider=yandex-pay&created_from=2026-01-01T03:00:00%2B03:00"
        "&created_to=2026-02-01T00:00:00Z&metadata[campaign]=spring&metadata[shop]="
        "&order_id=00000000-0000-0000-0000-000000000007"
    )
    assert (await world.get(f"/v1/payments?{query}", **AUTH)).status == 200
    assert world.reads.filters == Filters(
        customer_id="c-1",
        order_id=UUID(int=7),
        status="CAPTURED",
        provider="yandex-pay",
        created_from=datetime(2026, 1, 1, tzinfo=UTC),
        created_to=datetime(2026, 2, 1, tzinfo=UTC),
        metadata={"campaign": "spring", "shop": ""},
    )


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "/limit"),
        ("limit=101", "/limit"),
        ("limit=ten", "/limit"),
        ("cursor=nonsense", "/cursor"),
        ("cursor=e30=", "/cursor"),
        (f"cursor={cursor('0001-01-01T00:00:00+14:00')}", "/cursor"),
        (f"cursor={cursor('9999-12-31T23:59:59-14:00')}", "/cursor"),
        (f"cursor={cursor('2026-01-01T00:00:00')}", "/cursor"),
        ("cursor=%00", "/cursor"),
        ("created_from=0001-01-01T00:00:00%2B14:00", "/created_from"),
        ("created_to=2026-02-30T00:00:00Z", "/created_to"),
        ("created_to=10000-01-01T00:00:00Z", "/created_to"),
        ("order_id=order-1", "/order_id"),
        ("status=PAID", "/status"),
        ("created_from=yesterday", "/created_from"),
        ("created_to=2026-01-01T00:00:00", "/created_to"),
        ("customer_id=", "/customer_id"),
        ("status=PENDING&status=FAILED", "/status"),
        ("metadata[a]=1&metadata[a]=2", "/metadata[a]"),
        ("metadata[]=1", "/metadata[]"),
        ("captured=1", "/captured"),
        ("expand=all", "/expand"),
    ],
)
async def test_a_parameter_that_is_not_valid_is_named(world, query: str, pointer: str) -> None:
    answer = await world.get(f"/v1/payments?{query}", **AUTH)

    answer.is_problem(422, "invalid-request")
    assert [error["pointer"] for error in answer.json["errors"]] == [pointer]


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("2026-01-01T00:00:00Z", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01T03:00:00%2B03:00", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01T00:00:00.123456789Z", datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
async def test_a_time_filter_is_the_moment_that_it_names(world, sent: str, read: datetime) -> None:
    assert (await world.get(f"/v1/payments?created_from={sent}", **AUTH)).status == 200
    assert world.reads.filters.created_from == read


async def test_a_period_that_ends_before_it_begins_has_no_payments(world) -> None:
    query = "created_from=2027-01-01T00:00:00Z&created_to=2025-01-01T00:00:00Z"
    answer = await world.get(f"/v1/payments?{query}", **AUTH)

    assert (answer.status, answer.json["data"]) == (200, [])


async def test_a_payment_shows_its_metadata(world) -> None:
    payment = captured()
    order = msgspec.structs.replace(payment.order, metadata={"order": "A-17"})
    id = world.keep(msgspec.structs.replace(payment, order=order))

    assert (await world.get("/v1/payments", **AUTH)).json["data"][0]["metadata"] == {"order": "A-17"}
    assert (await world.get(f"/v1/payments/{id}", **AUTH)).json["metadata"] == {"order": "A-17"}


async def test_a_list_is_a_clients_own(world) -> None:
    world.keep(captured())

    assert (await world.get("/v1/payments", Authorization="Bearer shop-key-1")).json == {
        "data": [], "has_more": False, "next_cursor": None,
    }  # fmt: skip
    (await world.get("/v1/payments")).is_problem(401, "unauthorized")


async def test_a_list_can_be_expanded_and_has_an_etag(world) -> None:
    world.keep(captured())
    answer = await world.get("/v1/payments?expand=cart", **AUTH)

    assert answer.json["data"][0]["cart"]["items"][0]["product_id"] == "film-1"
    again = await world.get("/v1/payments?expand=cart", **AUTH, **{"If-None-Match": answer.headers["ETag"]})
    assert again.status == 304


async def test_a_timeline_tells_what_happened_and_nothing_of_the_inside(world) -> None:
    id = world.keep(captured())
    world.reads.entries = [
        TimelineEntry(
            at=NOW, kind="command", summary="payment.create", actor="operator:ann", position="3/17", data={"a": 1}
        )
    ]
    path = f"/v1/payments/{id}/timeline"

    assert (await world.get(path, **AUTH)).json == {
        "data": [{"at": "2026-11-23T12:00:00Z", "kind": "command", "summary": "payment.create"}]
    }
    (await world.get(path, Authorization="Bearer shop-key-1")).is_problem(404, "payment-not-found")
