"""What the sections of the report are, whatever the day: title, what it shows, what it says without rows, columns. Pure data,
which pages translate."""

from typing import Final

from backoffice.clearing.report.model import Cell, Column, Head

_PROVIDER: Final = Column("provider", Cell.ID)
_CURRENCY: Final = Column("currency", Cell.ID)
_PAYMENT: Final = Column("payment", Cell.ID)
_FOUND: Final = (
    _PROVIDER,
    Column("found on", Cell.DATE),
    Column("kind"),
    Column("state"),
    Column("ours", Cell.MONEY),
    Column("theirs", Cell.MONEY),
    _CURRENCY,
    Column("age, days", Cell.NUMBER),
    Column("due", Cell.MOMENT),
    Column("owner", Cell.ID),
    _PAYMENT,
    Column("id", Cell.ID),
)

PROVIDERS: Final = Head(
    "providers",
    "How the day stands",
    "The business day of each provider, and the run that compared its statement with the books.",
    "There is no provider.",
    (
        _PROVIDER,
        Column("from", Cell.MOMENT),
        Column("until", Cell.MOMENT),
        Column("state"),
        Column("cleared at", Cell.MOMENT),
        Column("lines", Cell.NUMBER),
        Column("movements", Cell.NUMBER),
        Column("why"),
    ),
)
TOTALS: Final = Head(
    "totals",
    "Both sides",
    "What the books moved at the provider on its business day, and what its statement says of payments. What differs"
    " is late or a discrepancy below, or was booked on another day.",
    "Nothing moved.",
    (
        _PROVIDER,
        _CURRENCY,
        Column("our movements", Cell.NUMBER),
        Column("ours", Cell.MONEY),
        Column("their lines", Cell.NUMBER),
        Column("theirs", Cell.MONEY),
        Column("difference", Cell.MONEY),
    ),
)
ROLL_FORWARD: Final = Head(
    "roll_forward",
    "What the providers hold",
    "By all statements that were read, in the currency of the settlement: before the day, what its lines changed,"
    " and after it.",
    "No statement was read.",
    (_PROVIDER, _CURRENCY, Column("what"), Column("amount", Cell.MONEY)),
)
TIE_OUT: Final = Head(
    "tie_out",
    "Tie-out",
    "Our clearing account at the end of the day of the books is what the provider holds by its statements, plus what"
    " was booked before clearing began, plus movements that a later statement has, less lines that the books have on"
    " a later day. What is left is unexplained, and keeps the day open.",
    "Nothing to tie out.",
    (
        _PROVIDER,
        _CURRENCY,
        *(
            Column(name, Cell.MONEY)
            for name in ("our books", "statements", "before clearing", "awaited", "booked later", "unexplained")
        ),
    ),
)
TRIAL_BALANCE: Final = Head(
    "trial_balance",
    "Trial balance",
    "Every account over the day of the books; all together are zero in each currency. An open day may still change.",
    "The books have no such day.",
    (
        Column("account", Cell.ID),
        _CURRENCY,
        *(Column(name, Cell.MONEY) for name in ("opening", "debit", "credit", "closing")),
    ),
)
DISCREPANCIES: Final = Head(
    "discrepancies",
    "Discrepancies",
    "What differed on this day, what is open first. Each closes when both sides agree, or by a person's decision.",
    "Statement and books agree.",
    _FOUND,
)
LATE: Final = Head(
    "late",
    "Late",
    "Our movements up to this day that are in no statement yet, within the time that the provider has.",
    "Every movement is in a statement.",
    _FOUND,
)
UNCONFIRMED: Final = Head(
    "unconfirmed",
    "Decided, not confirmed yet",
    "What people decided and no statement has confirmed so far, found on any day. Without confirmation it opens again.",
    "No decision waits for a statement.",
    (
        *_FOUND[:7],
        Column("resolution"),
        Column("confirm by", Cell.DATE),
        Column("owner", Cell.ID),
        _PAYMENT,
        Column("id", Cell.ID),
    ),
)
FEES: Final = Head(
    "fees",
    "Fees by method",
    "What the provider kept by its statement, in the currency that it settles in; the tax is part of the fee.",
    "The statements have no lines.",
    (
        _PROVIDER,
        Column("method", Cell.ID),
        _CURRENCY,
        Column("lines", Cell.NUMBER),
        Column("charged", Cell.MONEY),
        Column("fee", Cell.MONEY),
        Column("tax", Cell.MONEY),
        Column("of what was charged", Cell.NUMBER),
        Column("fee not told", Cell.NUMBER),
    ),
)
PAYOUTS: Final = Head(
    "payouts",
    "Payouts",
    "Money that the provider sent to our bank account, or took back because it did not arrive.",
    "The statements have no payouts.",
    (
        _PROVIDER,
        Column("kind"),
        Column("reference", Cell.ID),
        Column("amount", Cell.MONEY),
        _CURRENCY,
        Column("at", Cell.MOMENT),
        Column("arrives on", Cell.DATE),
    ),
)
CHARGEBACKS: Final = Head(
    "chargebacks",
    "Chargebacks",
    "Money that banks took back for customers, and what came back to us.",
    "The statements have no chargebacks.",
    (
        _PROVIDER,
        Column("kind"),
        _PAYMENT,
        Column("reference", Cell.ID),
        Column("amount", Cell.MONEY),
        _CURRENCY,
        Column("at", Cell.MOMENT),
    ),
)
LOST_CALLBACKS: Final = Head(
    "lost_callbacks",
    "Lost callbacks",
    "Movements of the day whose end neither an answer nor a callback told: an inquiry, the statement or a person did.",
    "Answers and callbacks told every movement.",
    (
        _PROVIDER,
        Column("operation"),
        Column("learnt by"),
        Column("movements", Cell.NUMBER),
        Column("amount", Cell.MONEY),
        _CURRENCY,
    ),
)
STUCK: Final = Head(
    "stuck",
    "Stuck",
    "Payments, operations and callbacks that nothing had settled in time when this report was made: the oldest by each rule.",
    "Nothing is stuck.",
    (
        Column("rule"),
        _PROVIDER,
        Column("payment or callback", Cell.ID),
        Column("since", Cell.MOMENT),
        Column("amount", Cell.MONEY),
        _CURRENCY,
        Column("asked by"),
        Column("needs a person"),
    ),
)
CORRECTIONS: Final = Head(
    "corrections",
    "Corrections",
    "Entries of earlier days that count on this day of the books, and entries of this day that count on later ones.",
    "No closed day was corrected.",
    (
        Column("counts on", Cell.DATE),
        Column("corrects", Cell.DATE),
        Column("account", Cell.ID),
        _CURRENCY,
        Column("entries", Cell.NUMBER),
        Column("amount", Cell.MONEY),
    ),
)

#: All of them, in the order of the report.
HEADS: Final = (
    PROVIDERS,
    TOTALS,
    ROLL_FORWARD,
    TIE_OUT,
    TRIAL_BALANCE,
    DISCREPANCIES,
    LATE,
    UNCONFIRMED,
    FEES,
    PAYOUTS,
    CHARGEBACKS,
    LOST_CALLBACKS,
    STUCK,
    CORRECTIONS,
)
