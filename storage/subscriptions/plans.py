"""Plans and their prices. They are written here directly, by whom their rows say; a price never changes."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.errors import InvalidCart, InvalidMoney
from billing.messages import Refusal
from billing.subscriptions.cadence import Cadence
from billing.subscriptions.prices import Price, RefundRule, price_id
from billing.vocabulary import Tax


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What may be subscribed to. ``group``: a customer has one subscription in it. ``archived_at``: since when (UTC) no
    subscription begins with it. ``prices``: all versions, by currency, the newest first."""

    id: str
    group: str
    title: str
    created_at: datetime
    created_by: str | None
    archived_at: datetime | None
    prices: tuple[Price, ...] = ()

    def price(self, currency: str) -> Price | None:
        """The newest price in a currency."""
        return next((price for price in self.prices if price.currency == currency), None)


class Change(msgspec.Struct, frozen=True):
    """Who changes a plan of the client, and when (UTC). ``command_id``: the same for every repeat; ``fingerprint`` tells a
    repeat from another request under the same key."""

    client_id: str
    by: str
    at: datetime
    command_id: UUID
    fingerprint: str = ""


class NewPrice(msgspec.Struct, frozen=True, kw_only=True):
    """The terms of the next version of a plan's price. ``amount``: minor units a period, tax included."""

    currency: str
    amount: int
    cadence: Cadence
    products: tuple[str, ...]
    tax: Tax = Tax.NONE
    refund_on_cancel: RefundRule = RefundRule.PRORATED


class PlanRefused(Exception):
    """Nothing was changed: ``refusal`` says why."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.refusal: Final = Refusal(code, detail)


_PLANS = """
    SELECT id, plan_group, title, created_at, created_by, archived_at FROM plans
    WHERE client_id = :client_id
"""
_ALL_PLANS = text(f"{_PLANS} ORDER BY id")
_ONE_PLAN = text(f"{_PLANS} AND id = :id")
#: Prices of a plan get their versions one after the other.
_LOCKED_PLAN = text(f"{_PLANS} AND id = :id FOR UPDATE")
_PRICES = text(
    """
    SELECT plan, terms::text FROM prices WHERE client_id = :client_id AND (CAST(:plan AS text) IS NULL OR plan = :plan)
    ORDER BY plan, currency, version DESC
    """
)
_PRICE = text("SELECT terms::text FROM prices WHERE client_id = :client_id AND id = :id")
_MADE_BY = "SELECT id, fingerprint FROM {table} WHERE command_id = :command_id"
_PLAN_MADE_BY = text(_MADE_BY.format(table="plans"))
_PRICE_MADE_BY = text(_MADE_BY.format(table="prices"))
_NEW_PLAN = text(
    """
    INSERT INTO plans (client_id, id, plan_group, title, created_at, created_by, command_id, fingerprint)
    VALUES (:client_id, :id, :plan_group, :title, :at, :by, :command_id, :fingerprint)
    ON CONFLICT DO NOTHING
    """
)
_NEW_PRICE = text(
    """
    INSERT INTO prices (id, client_id, plan, version, currency, amount, terms, created_at, created_by, command_id,
                        fingerprint)
    VALUES (:id, :client_id, :plan, :version, :currency, :amount, CAST(:terms AS jsonb), :at, :by, :command_id,
            :fingerprint)
    """
)
_ARCHIVE = text(
    """
    UPDATE plans SET archived_at = :at, archived_by = :by
    WHERE client_id = :client_id AND id = :id AND archived_at IS NULL
    """
)
_price = msgspec.json.Decoder(Price)


async def list_plans(connection: AsyncConnection, client_id: str) -> list[Plan]:
    """The client's plans, by id."""
    plans = (await connection.execute(_ALL_PLANS, {"client_id": client_id})).all()
    prices = (await connection.execute(_PRICES, {"client_id": client_id, "plan": None})).all()
    return [_plan(row, (terms for plan, terms in prices if plan == row.id)) for row in plans]


async def find_plan(connection: AsyncConnection, client_id: str, id: str) -> Plan | None:
    """The client's plan; ``None``: it has none with this id."""
    row = (await connection.execute(_ONE_PLAN, {"client_id": client_id, "id": id})).one_or_none()
    return None if row is None else _plan(row, await _terms(connection, client_id, id))


async def find_price(connection: AsyncConnection, client_id: str, id: UUID) -> Price | None:
    """A price of one of the client's plans."""
    terms = (await connection.execute(_PRICE, {"client_id": client_id, "id": id})).scalar_one_or_none()
    return None if terms is None else _price.decode(terms)


async def create_plan(connection: AsyncConnection, change: Change, id: str, group: str, title: str) -> bool:
    """Make a plan, in the caller's transaction; ``False``: this command made it before. Raises :class:`PlanRefused`."""
    values = msgspec.structs.asdict(change) | {"id": id, "plan_group": group, "title": title}
    if (await connection.execute(_NEW_PLAN, values)).rowcount:
        return True
    if await _made_before(connection, _PLAN_MADE_BY, change) is None:
        raise PlanRefused("plan_exists", f"there is a plan {id!r}")
    return False


async def add_price(connection: AsyncConnection, change: Change, plan_id: str, new: NewPrice) -> tuple[Price, bool]:
    """Make the next version of the plan's price in a currency, in the caller's transaction; returns it, and whether it is
    new: ``False``: this command made it before. Raises :class:`PlanRefused`."""
    row = (await connection.execute(_LOCKED_PLAN, {"client_id": change.client_id, "id": plan_id})).one_or_none()
    if row is None:
        raise PlanRefused("plan_not_found", f"there is no plan {plan_id!r}")
    if (made := await _made_before(connection, _PRICE_MADE_BY, change)) is not None:
        known = await find_price(connection, change.client_id, made)
        assert known is not None, "prices are never deleted"
        return known, False
    if row.archived_at is not None:
        raise PlanRefused("plan_archived", f"plan {plan_id!r} is archived")
    plan = _plan(row, await _terms(connection, change.client_id, plan_id))
    last = plan.price(new.currency)
    version = 1 if last is None else last.version + 1
    price = Price(
        id=price_id(change.client_id, plan_id, new.currency, version),
        plan=plan_id,
        group=plan.group,
        title=plan.title,
        version=version,
        **msgspec.structs.asdict(new),
    )
    try:
        price.check()
    except (InvalidCart, InvalidMoney) as error:
        raise PlanRefused("invalid_price", str(error)) from error
    values = msgspec.structs.asdict(change) | {
        "id": price.id,
        "plan": plan_id,
        "version": version,
        "currency": price.currency,
        "amount": price.amount,
        "terms": msgspec.json.encode(price).decode(),
    }
    await connection.execute(_NEW_PRICE, values)
    return price, True


async def archive_plan(connection: AsyncConnection, client_id: str, id: str, *, by: str, at: datetime) -> bool:
    """From the commit on no subscription begins with the plan; ``False``: it was archived before, or does not exist."""
    values = {"client_id": client_id, "id": id, "at": at, "by": by}
    return (await connection.execute(_ARCHIVE, values)).rowcount > 0


async def _made_before(connection: AsyncConnection, made_by: Any, change: Change) -> Any:
    """The id of what the command made; ``None``: nothing. Raises :class:`PlanRefused` where it had another body."""
    row = (await connection.execute(made_by, {"command_id": change.command_id})).one_or_none()
    if row is None:
        return None
    if row.fingerprint != change.fingerprint:
        raise PlanRefused("idempotency_key_reused", "this Idempotency-Key was used before with another body")
    return row.id


async def _terms(connection: AsyncConnection, client_id: str, plan: str) -> Sequence[str]:
    rows = await connection.execute(_PRICES, {"client_id": client_id, "plan": plan})
    return [terms for _, terms in rows]


def _plan(row: Any, terms: Iterable[str]) -> Plan:
    return Plan(
        id=row.id,
        group=row.plan_group,
        title=row.title,
        created_at=row.created_at,
        created_by=row.created_by,
        archived_at=row.archived_at,
        prices=tuple(map(_price.decode, terms)),
    )
