"""Plans and prices for operators. The API client that sells a plan owns it."""

from uuid import uuid4

from pydantic import ValidationError

from backoffice.operators import ActionRefused, InvalidArgument, Operator, recorded
from billing.subscriptions.prices import Price
from ingest_api.problems.words import in_words
from ingest_api.subscriptions.schemas import CreatePlanIn
from runtime.clock import utc_now
from runtime.postgres import connected
from runtime.settings import PostgresSettings
from storage.subscriptions import plans
from storage.subscriptions.plans import Change, NewPrice, Plan, PlanRefused


async def list_plans(settings: PostgresSettings, client: str) -> list[Plan]:
    """The client's plans with all their prices, by id."""
    async with connected(settings) as engine, engine.connect() as connection:
        return await plans.list_plans(connection, client)


async def find_plan(settings: PostgresSettings, client: str, id: str) -> Plan | None:
    """``None``: the client has none with this id."""
    async with connected(settings) as engine, engine.connect() as connection:
        return await plans.find_plan(connection, client, id)


async def create(settings: PostgresSettings, operator: Operator, client: str, id: str, group: str, title: str) -> None:
    """Make a plan. Raises :class:`InvalidArgument` for what REST would not take, and :class:`ActionRefused` where the client
    has a plan with this id."""
    try:
        CreatePlanIn(id=id, group=group, title=title)
    except ValidationError as error:
        raise InvalidArgument("; ".join(f"{fault['loc'][0]}: {in_words(fault)}" for fault in error.errors())) from error
    async with (
        connected(settings) as engine,
        recorded(engine, operator, "create_plan", "plan", id, client=client, group=group, title=title) as record,
        engine.begin() as connection,
    ):
        try:
            await plans.create_plan(connection, _change(operator, client), id, group, title)
        except PlanRefused as error:
            raise ActionRefused(error.refusal.detail) from error
        await record.complete(connection)


async def add_price(settings: PostgresSettings, operator: Operator, client: str, id: str, new: NewPrice) -> Price:
    """The next version of what a plan costs. Raises :class:`ActionRefused`."""
    async with (
        connected(settings) as engine,
        recorded(engine, operator, "add_price", "plan", id, client=client, terms=new) as record,
        engine.begin() as connection,
    ):
        try:
            price, _ = await plans.add_price(connection, _change(operator, client), id, new)
        except PlanRefused as error:
            raise ActionRefused(error.refusal.detail) from error
        record.details = {"price": price.id, "version": price.version}
        await record.complete(connection)
    return price


def _change(operator: Operator, client: str) -> Change:
    return Change(client, operator.actor, utc_now(), uuid4())
