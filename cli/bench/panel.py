"""How long the panel's questions take among many stored payments, in a database of the benchmark's own."""

import hashlib
import random
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Final

from rich.table import Table
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin.customers.reading import read_story as read_customer
from admin.payments.reading import read_story
from admin.search.pages import SHOWN, conditions_of, find
from admin.search.question import parse
from cli.bench.isolation import own_books, with_database
from providers.registry import PLUGINS
from runtime.clock import utc_now
from runtime.postgres import connected
from runtime.settings import Settings
from storage.payments.search import Place, scan

DATABASE: Final = "billing_bench_panel"
#: Payments per insert.
CHUNK: Final = 250_000
#: The payments spread over this many days before now.
DAYS: Final = 365
#: Times that each question is asked, each time with another value.
ROUNDS: Final = 40
#: Milliseconds that the 95th percentile of each question may take.
LIMIT_MS: Final = 100

_VALUES: Final = """
    SELECT n, md5(n::text)::uuid AS id, md5('o' || n)::uuid AS order_id, md5('p' || n)::uuid AS operation,
           CAST(:now AS timestamptz) - (n * CAST(:step AS float8)) * interval '1 second' AS at,
           9900 + n * 7919 % 900000 AS amount,
           CASE WHEN n % 500 = 0 THEN 'AUTHORIZED' WHEN n % 10 < 2 THEN 'FAILED' WHEN n % 25 = 3 THEN 'REFUNDED'
                ELSE 'CAPTURED' END AS status,
           (CAST(:providers AS text[]))[1 + n % cardinality(CAST(:providers AS text[]))] AS provider
    FROM generate_series(CAST(:start AS bigint), CAST(:until AS bigint)) AS n
"""
_STEPS: Final = (
    f"""
    INSERT INTO orders (id, customer_id, currency, amount, created_at)
    SELECT order_id, 'c-' || n % CAST(:customers AS bigint), 'RUB', amount, at FROM ({_VALUES}) v
    """,  # noqa: S608 - of constants
    f"""
    INSERT INTO payments (id, client_id, fingerprint, order_id, provider, capture_mode, status, version, order_ref,
        currency, amount, authorized, captured, refunded, refund_pending, hold_s, save_method, created_at, updated_at,
        expires_at, method_last4)
    SELECT id, 'shop-' || n % 3, 'f', order_id, provider, 'ONE_STAGE', status, 3, 'ref-' || n, 'RUB', amount,
           CASE WHEN status = 'FAILED' THEN 0 ELSE amount END,
           CASE WHEN status IN ('CAPTURED', 'REFUNDED') THEN amount ELSE 0 END,
           CASE WHEN status = 'REFUNDED' THEN amount ELSE 0 END, 0, 1, false, at, at, at,
           lpad((n * 31 % 10000)::text, 4, '0')
    FROM ({_VALUES}) v
    """,  # noqa: S608 - of constants
    f"""
    INSERT INTO operations (id, payment_id, type, action, status, amount, provider, provider_ref, chases, corrections,
        version, created_at, updated_at)
    SELECT operation, id, 'AUTHORIZE', 'CREATE', CASE WHEN status = 'FAILED' THEN 'FAIL' ELSE 'SUCCESS' END, amount,
           provider, 'ref-' || n, 0, '{{}}', 3, at, at
    FROM ({_VALUES}) v
    """,  # noqa: S608 - of constants
)
#: Those that no constraint needs.
_INDEXES: Final = text(
    """
    SELECT i.indexname AS name, i.indexdef AS definition FROM pg_indexes i
    WHERE i.schemaname = current_schema() AND i.tablename IN ('orders', 'payments', 'operations')
      AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = to_regclass(quote_ident(i.indexname)))
    """
)


async def measure_panel(status: dict[str, Any], stored: int, on_progress: Callable[[str], None]) -> dict[str, Any]:
    """The figures of ``billing bench --only admin --json``. ``status``: of the running stack; ``stored``: payments."""
    url = status["urls"]["postgres"]
    settings = Settings(postgres_url=with_database(url, DATABASE))
    async with own_books(url, settings), connected(settings) as engine:
        now, step = utc_now(), DAYS * 86_400 / stored
        started = time.monotonic()
        async with connected(settings, command_timeout_s=None) as patient:
            await _generate(patient, stored, now, step, on_progress)
        made_s = time.monotonic() - started
        figures = {}
        for name, question in _questions(stored, now, step).items():
            on_progress(name)
            figures[name] = await _timed(engine, question)
    return {"stored": stored, "made_in_seconds": round(made_s, 1), "milliseconds": figures}


def panel_table(figures: dict[str, Any]) -> Table:
    """The figures as a table."""
    stored = f"{figures['stored']:,}".replace(",", " ")
    table = Table(title=f"questions of the panel among {stored} payments", title_justify="left")
    table.add_column("question")
    table.add_column("median, ms", justify="right")
    table.add_column("95 %, ms", justify="right")
    for name, timed in figures["milliseconds"].items():
        slow = "red" if timed["p95"] > LIMIT_MS else None
        table.add_row(name, f"{timed['median']:.1f}", f"{timed['p95']:.1f}", style=slow)
    return table


async def _generate(
    engine: AsyncEngine, stored: int, now: datetime, step: float, on_progress: Callable[[str], None]
) -> None:
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        # The rows are consistent by construction, and a trigger or a key for each would take hours.
        await connection.execute(text("SET session_replication_role = replica"))
        await connection.execute(text("SET statement_timeout = 0"))
        indexes = [(row.name, row.definition) for row in await connection.execute(_INDEXES)]
        for name, _ in indexes:  # each row would go to a random place in each of them
            await connection.execute(text(f"DROP INDEX {name}"))
        for start in range(0, stored, CHUNK):
            on_progress(f"{start:,} of {stored:,} payments generated".replace(",", " "))
            values = {
                "now": now,
                "step": step,
                "start": start + 1,
                "until": min(start + CHUNK, stored),
                "customers": max(stored // 8, 1),
                "providers": sorted(PLUGINS),
            }
            for statement in _STEPS:
                used = {name: value for name, value in values.items() if f":{name}" in statement}
                await connection.execute(text(statement), used)
        await connection.execute(text("SET maintenance_work_mem = '512MB'"))
        for name, definition in indexes:
            on_progress(f"index {name}")
            await connection.execute(text(definition.replace(":", r"\:")))
        on_progress("vacuum and analyze")
        await connection.execute(text("VACUUM ANALYZE orders, payments, operations"))


Question = Callable[[AsyncEngine], Awaitable[None]]


def _questions(stored: int, now: datetime, step: float) -> dict[str, Question]:
    """What is asked, each time about another payment."""
    chosen = random.Random(stored)  # noqa: S311 - the same payments in every run

    def typed(make: Callable[[int], str], after: float | None = None) -> Question:
        async def ask(engine: AsyncEngine) -> None:
            number = chosen.randrange(1, stored + 1)
            async with engine.connect() as connection:
                place = None if after is None else await _place(connection, int(stored * after))
                await _ask(connection, make(number), now, place)

        return ask

    async def show(engine: AsyncEngine) -> None:
        number = chosen.randrange(1, stored + 1)
        async with engine.connect() as connection:
            id = (await connection.execute(text("SELECT md5(:n)::uuid"), {"n": str(number)})).scalar_one()
        await read_story(engine, id, None)

    async def show_customer(engine: AsyncEngine) -> None:
        number = chosen.randrange(1, stored + 1)
        await read_customer(engine, f"c-{number % max(stored // 8, 1)}", None, now)

    def at(number: int) -> datetime:
        return now - timedelta(seconds=number * step)

    return {
        "newest": typed(lambda _n: ""),
        "a page in the middle": typed(lambda _n: "", after=0.5),
        "payment's id": typed(lambda n: _uuid(str(n))),
        "order's id": typed(lambda n: _uuid(f"o{n}")),
        "operation's id": typed(lambda n: _uuid(f"p{n}")),
        "provider's id": typed(lambda n: f"ref-{n}"),
        "customer": typed(lambda n: f"customer:c-{n % max(stored // 8, 1)}"),
        "nothing has this id": typed(lambda n: f"none-{n}"),
        "last four digits": typed(lambda n: f"*{n % 10_000:04}"),
        "last four digits and amount": typed(lambda n: f"*{n * 31 % 10_000:04} amount:{_amount(n)}"),
        "amount": typed(lambda n: f"amount:{_amount(n)}"),
        "range of amounts": typed(lambda n: f"amount:{n % 5_000}..{n % 5_000 + 100}"),
        "a day": typed(lambda n: f"{at(n):%Y-%m-%d}"),
        "a day and amounts": typed(lambda n: f"{at(n):%Y-%m-%d} amount:100..200"),
        "open": typed(lambda _n: "open"),
        "status and provider": typed(lambda n: f"status:refunded provider:{sorted(PLUGINS)[n % len(PLUGINS)]}"),
        "what nothing has": typed(lambda _n: "status:voided"),
        "payment's page": show,
        "customer's page": show_customer,
    }


def _uuid(text: str) -> str:
    """As Postgres makes it in :data:`_VALUES`."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _amount(number: int) -> str:
    minor = 9_900 + number * 7_919 % 900_000
    return f"{minor // 100}.{minor % 100:02}"


async def _place(connection: AsyncConnection, number: int) -> Place:
    row = await connection.execute(
        text("SELECT created_at, id FROM payments WHERE id = md5(:n)::uuid"), {"n": str(number)}
    )
    return Place(*row.one())


async def _ask(connection: AsyncConnection, typed: str, now: datetime, after: Place | None) -> None:
    """As the page of search does."""
    question = parse(typed, now)
    named = [] if after is not None else await find(connection, question)
    conditions = conditions_of(question, named)
    if conditions is not None:
        await scan(connection, conditions, after, SHOWN)


async def _timed(engine: AsyncEngine, question: Question) -> dict[str, float]:
    taken = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        await question(engine)
        taken.append((time.perf_counter() - started) * 1000)
    taken.sort()
    return {"median": round(taken[len(taken) // 2], 1), "p95": round(taken[int(len(taken) * 0.95) - 1], 1)}
