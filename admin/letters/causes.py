"""Causes of dead letters in words: what happened, and what to do. Pure.

A letter's cause is the class of the error and its text, as developers wrote it: a page shows it beside these words.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from admin.language import N_


class Meaning(NamedTuple):
    """``what`` happened, and what to ``do``."""

    what: str
    do: str


_UNREADABLE: Final = Meaning(
    N_("The message cannot be read, or its consumer does not process such messages."),
    N_(
        "Compare it with the AsyncAPI document: it was written by mistake, or a reader has a defect."
        " A replay fails again until the reader is corrected."
    ),
)
_NOT_VALID: Final = Meaning(
    N_("An amount, a currency or the cart of the message is not valid."),
    N_("Find out which program wrote it, and correct the program. A replay of this message fails again: discard it."),
)
_REFUSED_BY_POSTGRES: Final = Meaning(
    N_("Postgres refuses the data of the message."),
    N_("The text names the column or the constraint. Replay the message after the table or the code is corrected."),
)
_OTHER: Final = Meaning(
    N_("The consumer failed with an error that has no explanation here."),
    N_("Give the text to a developer, and keep the letter open until the cause is known."),
)

#: Class of the error → what it means.
MEANINGS: Final[Mapping[str, Meaning]] = MappingProxyType(
    {
        "InvalidMessage": _UNREADABLE,
        "InvalidMoney": _NOT_VALID,
        "InvalidCart": _NOT_VALID,
        "CurrencyMismatch": _NOT_VALID,
        "InvariantBroken": Meaning(
            N_("The message would break a rule of the books; nothing of it was applied."),
            N_("This is a defect of ours: give the text to a developer, and keep the letter open."),
        ),
        "PaymentUnknown": Meaning(
            N_("A provider's callback names no payment of ours."),
            N_("Look its order up in the provider's console. Discard the letter if the order is not ours."),
        ),
        "PayloadRejected": Meaning(
            N_("ClickHouse refuses the rows of the event."),
            N_("Replay the event after the table or the code is corrected."),
        ),
        "DataError": _REFUSED_BY_POSTGRES,
        "DBAPIError": _REFUSED_BY_POSTGRES,
        "IntegrityError": _REFUSED_BY_POSTGRES,
        "InternalError": _REFUSED_BY_POSTGRES,
        "NotSupportedError": _REFUSED_BY_POSTGRES,
        "ProgrammingError": _REFUSED_BY_POSTGRES,
    }
)


def meaning_of(cause: str) -> Meaning:
    """What a letter's cause means. Total."""
    return MEANINGS.get(cause.partition(":")[0], _OTHER)
