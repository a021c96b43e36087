"""A report of a day with everything in it, some of it long."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from backoffice.clearing.report.model import Cell, Column, Report, Section

DAY: Final = date(2026, 11, 20)
MADE_AT: Final = datetime(2026, 11, 21, 10, 12, tzinfo=UTC)
_START: Final = datetime(2026, 11, 19, 21, tzinfo=UTC)
_PROVIDER, _CURRENCY, _PAYMENT = Column("provider", Cell.ID), Column("currency", Cell.ID), Column("payment", Cell.ID)
_FOUND: Final = (
    _PROVIDER, Column("found on", Cell.DATE), Column("kind"), Column("state"), Column("ours", Cell.MONEY),
    Column("theirs", Cell.MONEY), _CURRENCY, Column("age, days", Cell.NUMBER), Column("due", Cell.MOMENT),
    Column("owner", Cell.ID), _PAYMENT, Column("id", Cell.ID),
)  # fmt: skip


def a_section(name: str, columns: tuple[Column, ...], *rows: tuple[Any, ...], calls: bool = False) -> Section:
    title = name.replace("_", " ").capitalize()
    return Section(
        name,
        title,
        f"What {title.lower()} shows, in a sentence or two of its own.",
        "There is none.",
        columns,
        rows,
        calls,
    )


def a_discrepancy(at: int, kind: str, ours: int | None, theirs: int | None, state: str = "person") -> tuple[Any, ...]:
    return (
        ("stripe", "tbank", "yandex-pay", "yookassa")[at % 4], DAY, kind, state, ours, theirs, "RUB", at,
        MADE_AT + timedelta(hours=at), "client:finance-department" if at % 3 == 0 else None, UUID(int=2**100 + at),
        UUID(int=2**90 + at),
    )  # fmt: skip


def a_full_report() -> Report:
    """Every section has rows; one has more than a page shows."""
    providers = [
        (name, _START, _START + timedelta(days=1), state, MADE_AT if state == "cleared" else None, 12_480, 12_475, why)
        for name, state, why in (
            ("stripe", "cleared", None),
            (
                "tbank",
                "suspect",
                "1,204 of 12,480 movements are in no line of the statement, more than 5 % of the larger side",
            ),
            ("yandex-pay", "open", "http_404"),
            ("yookassa", "cleared", None),
        )
    ]
    discrepancies = [
        a_discrepancy(at, kind, ours, theirs)
        for at, (kind, ours, theirs) in enumerate(
            [
                ("unknown payment", None, 1_290_00),
                ("amount differs", 599_00, 590_00),
                ("chargeback", None, -12_990_00),
                ("currency differs: theirs is 12.50 USD", 1_190_00, None),
            ]
            * 60
        )
    ]
    money = ("opening", "debit", "credit", "closing")
    return Report(
        DAY,
        None,
        MADE_AT,
        f"2026-11-21 09:30 UTC by olga, hash {'0123456789abcdef' * 4}",
        (
            a_section(
                "providers",
                (_PROVIDER, Column("from", Cell.MOMENT), Column("until", Cell.MOMENT), Column("state"),
                 Column("cleared at", Cell.MOMENT), Column("lines", Cell.NUMBER), Column("movements", Cell.NUMBER), Column("why")),
                *providers,
            ),
            a_section(
                "totals",
                (_PROVIDER, _CURRENCY, Column("our movements", Cell.NUMBER), Column("ours", Cell.MONEY),
                 Column("their lines", Cell.NUMBER), Column("theirs", Cell.MONEY), Column("difference", Cell.MONEY)),
                ("stripe", "RUB", 12_475, 7_463_990_00, 12_480, 7_464_580_00, 590_00),
                ("stripe", "KWD", 3, 12_345, 3, 12_345, 0),
                ("stripe", "JPY", 1, -1_200, 1, -1_200, 0),
                ("tbank", "RUB", 2_000_000, 10**12, 2_000_001, 10**12 - 1, -1),
            ),
            a_section(
                "trial_balance",
                (Column("account", Cell.ID), _CURRENCY, *(Column(name, Cell.MONEY) for name in money)),
                *((f"{kind}:{name}", "RUB", -5_000_00 * at, 7_463_990_00, 12_990_00, 7_451_000_00 - 5_000_00 * at)
                  for at, (kind, name) in enumerate([("clearing", "yandex-pay"), ("receivable", "yookassa"), ("chargebacks", "stripe")])),
            ),
            a_section("discrepancies", _FOUND, *discrepancies, calls=True),
            a_section("late", _FOUND, a_discrepancy(1, "late", 590_00, None, "expected")),
            a_section(
                "fees",
                (_PROVIDER, Column("method", Cell.ID), _CURRENCY, Column("lines", Cell.NUMBER), Column("charged", Cell.MONEY),
                 Column("fee", Cell.MONEY), Column("of what was charged", Cell.NUMBER)),
                ("yookassa", "bank_card", "RUB", 8_210, 4_900_000_00, 137_200_00, "2.80 %"),
            ),
            a_section(
                "payouts",
                (_PROVIDER, Column("kind"), Column("reference", Cell.ID), Column("amount", Cell.MONEY), _CURRENCY, Column("arrives on", Cell.DATE)),
                ("stripe", "payout", "po_1SVwXyLkdIwHu7ixraBm864f0123456789", -7_300_000_00, "RUB", DAY + timedelta(days=2)),
            ),
            a_section(
                "stuck",
                (Column("rule"), _PROVIDER, _PAYMENT, Column("since", Cell.MOMENT), Column("amount", Cell.MONEY), _CURRENCY, Column("needs a person")),
                ("capture_open", "tbank", UUID(int=2**101), _START, 1_190_00, "RUB", "yes"),
                ("parked_callback", "stripe", "<script>alert(1)</script>", _START, None, None, ""),
                calls=True,
            ),
            a_section("corrections", (Column("counts on", Cell.DATE), Column("amount", Cell.MONEY), _CURRENCY)),
        ),
    )  # fmt: skip
