"""A customer in the panel: everything on one page, contacts masked until somebody reveals them with a reason."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError

from billing.access.roles import Role
from billing.messages import RefundPayment
from billing.orders import Contact
from runtime.clock import utc_now
from storage.staff.trail import Kind
from tests.support.factories import a_create, a_payment, an_order, opened, told
from tests.support.panel_subscriptions import CONTACT, SubscriptionPanel
from tests.support.subscriptions import CUSTOMER
from tests.unit.admin.conftest import serving

SECRETS = ("anna.k@example.com", "+79161234567", "k.anna@cinema.example")


@pytest.fixture
async def panel(database, stack) -> AsyncIterator[SubscriptionPanel]:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    async with serving(postgres_url=url, kafka_url=stack["urls"]["kafka"]) as world:
        panel = SubscriptionPanel(world, database)
        world.accounts.person = panel.person
        panel.become("anna")
        yield panel


def secrets_in(text_of_page: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text_of_page]


async def a_film(panel: SubscriptionPanel, customer: str = CUSTOMER, currency: str = "RUB", **metadata: str):
    """Somebody has bought a film."""
    order = msgspec.structs.replace(
        an_order(59_900, currency=currency),
        customer_id=customer,
        contact=Contact("k.anna@cinema.example"),
        metadata=metadata,
    )
    create = a_create(order=order)
    payment = a_payment(payment_id=create.payment_id, order=order)
    await panel.stream.deliver(
        await panel.stream.agent(), create, opened(payment), told(payment, "CAPTURED", method_last4="4242")
    )
    return payment


async def test_everything_about_a_customer_is_on_one_page(panel):
    s = await panel.a_subscription()
    film = await a_film(panel)
    dear = await a_film(panel, currency="USD")
    await a_film(panel, "another")
    await panel.stream.deliver(await panel.stream.agent(), RefundPayment(film.id, uuid4(), "asked", 10_000))
    page = await panel.get(f"/customers/{CUSTOMER}")
    figures = re.sub(r"<[^>]+>|\s+", " ", page.partition('class="figures"')[2].partition('class="halves"')[0])
    assert "998.00 RUB" in " ".join(figures.split())
    assert "599.00 USD" in " ".join(figures.split())
    assert "100.00 RUB" in " ".join(figures.split()), "on its way back"
    for link in (
        f"/payments/{film.id}",
        f"/payments/{dear.id}",
        f"/subscriptions/{s.id}",
        f"/payments/{s.period.paid_by}",
    ):
        assert f'href="{link}"' in page
    held = page.partition("Access held now")[2].partition("</section>")[0]
    assert "<code>cinema</code> until" in held
    assert "<code>film-1</code> without an end" in held
    assert "a•••@•••.com" in page
    assert "+7•••67" in page
    assert not secrets_in(page)
    assert "another" not in page.partition("<main")[2]
    entry = panel.world.trail.entries[-1]
    assert (entry.kind, entry.subject_kind, entry.subject_id) == (Kind.VIEW, "customer", CUSTOMER)


async def test_access_that_is_over_is_not_held(panel):
    await a_film(panel, access_until=(utc_now() - timedelta(hours=1)).isoformat())
    held = (await panel.get(f"/customers/{CUSTOMER}")).partition("Access held now")[2].partition("</section>")[0]
    assert "film-1" not in held


async def test_saved_methods_are_masked(panel):
    s = await panel.a_subscription()
    async with panel.stream.engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO saved_methods (id, client_id, customer_id, provider, method_ref, title, status, status_at,"
                " status_by, created_at) VALUES (gen_random_uuid(), 'site', :id, 'yookassa', 'ref-1',"
                " 'YooMoney 410011234567891', 'ACTIVE', now(), 'payment', now())"
            ),
            {"id": s.customer_id},
        )
    page = await panel.get(f"/customers/{CUSTOMER}")
    assert "YooMoney ***********7891" in page
    assert "ref-1" not in page


async def test_an_unknown_customer_is_a_page_that_helps(panel):
    for id in ("nobody", "no%20body", "%D0%BA", "a%00b", "x" * 65):
        answer = await panel.world.get(f"/customers/{id}")
        assert answer.status == 404, id
        assert "The id is the shop" in await answer.text()
    assert all(entry.kind is not Kind.VIEW for entry in panel.world.trail.entries)


async def test_an_id_of_the_shop_s_own_may_have_any_signs(panel):
    await a_film(panel, "shop/users?id=7#a")
    page = await panel.get("/payments?q=customer:shop/users%3Fid=7%23a")
    assert 'href="/customers/shop/users%3Fid%3D7%23a"' in page
    assert "k•••@•••.example" in await panel.get("/customers/shop/users%3Fid%3D7%23a")


async def test_what_cannot_be_put_on_the_trail_is_neither_shown_nor_revealed(panel):
    await a_film(panel)
    panel.world.trail.unavailable = True
    assert (await panel.world.get(f"/customers/{CUSTOMER}")).status == 503
    answer = await panel.world.post("/contacts/reveal", {"customer_id": CUSTOMER, "reason": "asked"})
    assert answer.status == 503
    assert not secrets_in(await answer.text())


async def test_contacts_are_revealed_with_a_reason_that_stays_on_the_trail(panel, caplog, capsys):
    await panel.a_subscription()
    await a_film(panel)
    panel.become("sam", Role.SUPPORT)
    assert "Show the contacts" in await panel.get(f"/customers/{CUSTOMER}")
    answer = await panel.world.post("/contacts/reveal", {"customer_id": CUSTOMER, "reason": "the receipt was lost"})
    page = await answer.text()
    assert answer.status == 200, page
    assert answer.headers["Cache-Control"] == "no-store"
    assert secrets_in(page) == list(SECRETS)
    entry = panel.world.trail.entries[-1]
    assert (entry.kind, entry.subject_id, entry.reason) == (Kind.REVEAL, CUSTOMER, "the receipt was lost")
    assert entry.detail == {"fields": ["email", "phone"]}, "never the contacts themselves"
    assert not secrets_in(await panel.get(f"/customers/{CUSTOMER}")), "for one answer only"
    logged = caplog.text + "".join(capsys.readouterr())
    assert not secrets_in(logged)


@pytest.mark.parametrize("reason", ["", "4111111111111111", "x" * 251])
async def test_without_a_good_reason_nothing_is_revealed(panel, reason):
    await a_film(panel)
    panel.become("sam", Role.SUPPORT)
    answer = await panel.world.post("/contacts/reveal", {"customer_id": CUSTOMER, "reason": reason})
    assert answer.status == 422
    assert not secrets_in(await answer.text())
    assert all(entry.kind is not Kind.REVEAL for entry in panel.world.trail.entries)


async def test_a_viewer_reveals_nothing(panel):
    await a_film(panel)
    panel.become("victor", Role.VIEWER)
    assert "Show the contacts" not in await panel.get(f"/customers/{CUSTOMER}")
    answer = await panel.world.post("/contacts/reveal", {"customer_id": CUSTOMER, "reason": "curious"})
    assert answer.status == 403
    assert not secrets_in(await answer.text())


async def noted(panel, note, customer=CUSTOMER, key="1"):
    """The answer to a note that is sent, redirects not followed."""
    return await panel.world.post("/notes/add", {"customer_id": customer, "note": note, "key": key})


ON_RECORD = "SELECT customer_id, author, text FROM customer_notes ORDER BY at"
ON_TRAIL = "SELECT who, subject_id, detail ->> 'note', detail::text FROM staff_trail WHERE subject_kind = 'customer'"


async def test_a_note_is_shown_to_colleagues_at_the_customer_and_named_at_each_payment(panel):
    film = await a_film(panel, "shop/users?id=7#a")
    await a_film(panel)
    panel.become("sam", Role.SUPPORT)
    assert "No note so far." in await panel.get("/customers/shop/users%3Fid=7%23a")
    assert "Notes about the customer" not in await panel.get(f"/payments/{film.id}")
    answer = await noted(panel, "Wrote <angry> letters.\r\nCall back.", "shop/users?id=7#a")
    assert (answer.status, answer.headers["Location"]) == (303, "/customers/shop/users%3Fid%3D7%23a#notes")
    panel.become("victor", Role.VIEWER)
    page = await panel.get("/customers/shop/users%3Fid=7%23a")
    notes = page.partition('id="notes"')[2].partition("</section>")[0]
    assert "sam@cinema.example" in notes
    assert "Wrote &lt;angry&gt; letters.\nCall back." in notes
    assert "<form" not in notes, "a viewer writes none"
    link = '<a href="/customers/shop/users%3Fid%3D7%23a#notes">Notes about the customer</a>'
    assert link in await panel.get(f"/payments/{film.id}")
    assert "angry" not in await panel.get(f"/customers/{CUSTOMER}")


async def test_a_note_sent_twice_is_one_with_one_entry_that_has_its_hash_and_not_its_words(panel):
    await a_film(panel)
    for _ in range(2):
        assert (await noted(panel, "asked for a receipt")).status == 303
    assert await panel.rows(ON_RECORD) == [(CUSTOMER, "anna@cinema.example", "asked for a receipt")]
    ((who, customer, id, detail),) = await panel.rows(ON_TRAIL)
    assert (who, customer) == ("anna@cinema.example", CUSTOMER)
    assert [(id,)] == await panel.rows("SELECT id::text FROM customer_notes")
    assert "receipt" not in detail
    # The form of a page that was gone back to has the same key: other words are another note.
    await noted(panel, "has it now")
    await noted(panel, "asked for a receipt", key="2")
    assert [words for *_, words in await panel.rows(ON_RECORD)] == [
        "asked for a receipt",
        "has it now",
        "asked for a receipt",
    ]


@pytest.mark.parametrize("note", ["", "his card is 4111 1111 1111 1111", "x" * 2_001, "a\x07b"])
async def test_a_note_that_cannot_be_kept_says_why_and_is_not_lost(panel, note):
    await a_film(panel)
    answer = await noted(panel, note)
    page = await answer.text()
    assert answer.status == 422
    assert 'role="alert"' in page
    assert f">{note}</textarea>" in page
    assert await panel.rows(ON_RECORD) == []


async def test_about_nobody_no_note_is_written(panel):
    assert (await noted(panel, "who is it?", "nobody")).status == 404
    assert await panel.rows(ON_RECORD) == []


async def test_a_viewer_writes_no_note(panel):
    await a_film(panel)
    panel.become("victor", Role.VIEWER)
    assert (await noted(panel, "curious")).status == 403
    assert await panel.rows(ON_RECORD) == []


async def test_a_note_that_cannot_be_put_on_the_trail_is_not_written(panel, monkeypatch):
    await a_film(panel)

    async def fails(*_: object, **__: object) -> None:
        raise OperationalError("INSERT", {}, ConnectionError("away"))

    with monkeypatch.context() as patch:
        patch.setattr("admin.customers.pages.record", fails)
        assert (await noted(panel, "seen")).status == 503
    assert await panel.rows(ON_RECORD) == []
    assert (await noted(panel, "seen")).status == 303


async def test_only_the_newest_notes_are_shown(panel, monkeypatch):
    monkeypatch.setattr("admin.customers.reading.NOTES", 2)
    monkeypatch.setattr("admin.customers.pages.NOTES", 2)
    await a_film(panel)
    for number in range(3):
        await noted(panel, f"note {number}")
    page = await panel.get(f"/customers/{CUSTOMER}")
    assert [f"note {number}" in page for number in range(3)] == [False, True, True]
    assert "Only the newest notes are shown: 2." in page


@pytest.mark.parametrize(
    "change", ["UPDATE customer_notes SET text = 'kind'", "DELETE FROM customer_notes", "TRUNCATE customer_notes"]
)
async def test_a_note_is_never_changed(panel, change):
    await a_film(panel)
    await noted(panel, "rude")
    with pytest.raises(DBAPIError, match="a note is never changed"):
        async with panel.stream.engine.begin() as connection:
            await connection.execute(text(change))


async def test_payments_are_shown_page_by_page(panel, monkeypatch):
    monkeypatch.setattr("admin.customers.reading.SHOWN", 2)
    bought = {str((await a_film(panel)).id) for _ in range(5)}
    seen, path = set(), f"/customers/{CUSTOMER}"
    while path:
        page = (await panel.get(path)).partition("<h2>Payments</h2>")[2]
        seen |= {id for id in bought if f"/payments/{id}" in page}
        found = re.search(r'href="([^"]+)">Older payments', page)
        path = "" if found is None else found[1].replace("&amp;", "&")
    assert seen == bought


async def test_a_payment_leads_to_its_customer_subscription_and_discrepancies(panel):
    s = await panel.a_subscription()
    path = f"/payments/{s.period.paid_by}"
    page = await panel.get(path)
    assert f'href="/customers/{CUSTOMER}"' in page
    assert f'href="/subscriptions/{s.id}"' in page
    assert "a•••@•••.com, +7•••67" in page
    assert CONTACT.email not in page
    assert "/discrepancies?payment_id=" not in page
    async with panel.stream.engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO discrepancies (id, provider, subject, kind, severity, state, version, business_date, opened_at, updated_at,"
                " payment_id, asked, detail)"
                " VALUES (gen_random_uuid(), 'yookassa', 's', 'missing_at_provider', 'warning', 'PERSON', 1, current_date, now(),"
                " now(), :id, 0, '{}')"
            ),
            {"id": s.period.paid_by},
        )
    assert f'href="/discrepancies?payment_id={s.period.paid_by}"' in await panel.get(path)


async def test_the_search_finds_a_subscription_and_a_customer(panel):
    s = await panel.a_subscription()
    assert f'href="/subscriptions/{s.id}"' in await panel.get(f"/payments?q={s.id}")
    assert f'href="/subscriptions/{s.id}"' in await panel.get(f"/payments?q=subscription:{s.id}")
    for typed in (CUSTOMER, f"customer:{CUSTOMER}"):
        assert "Everything about the customer" in await panel.get(f"/payments?q={typed}")
    assert "Everything about" not in await panel.get("/payments?q=customer:nobody")
