"""The life cycle of a subscription, as data. The diagram in docs/subscriptions.md is generated from this table."""

from enum import StrEnum
from types import MappingProxyType
from typing import Final

from billing.subscriptions.vocabulary import Status as S  # noqa: N817 - as in billing.payments.lifecycle


class Event(StrEnum):
    """What moves a subscription."""

    SUBSCRIBED = "subscribed"
    PAID = "paid"
    NOT_PAID = "not paid"
    DECLINED = "declined"
    GRACE_OVER = "grace over"
    GIVEN_UP = "given up"
    CANCELLED = "cancelled"
    TIME_OVER = "time over"
    REFUNDED = "refunded"
    CHARGED_BACK = "charged back"
    UNDONE = "payment undone"
    EXTENDED = "extended"


#: (status, event) → the next status. A pair that is not here changes nothing.
TRANSITIONS: Final = MappingProxyType(
    {
        (S.INCOMPLETE, Event.PAID): S.ACTIVE,
        (S.INCOMPLETE, Event.NOT_PAID): S.ENDED,
        (S.INCOMPLETE, Event.CANCELLED): S.ENDED,
        (S.ACTIVE, Event.PAID): S.ACTIVE,
        (S.ACTIVE, Event.DECLINED): S.PAST_DUE,
        (S.ACTIVE, Event.CANCELLED): S.ENDED,
        (S.ACTIVE, Event.TIME_OVER): S.ENDED,
        (S.ACTIVE, Event.REFUNDED): S.ENDED,
        (S.ACTIVE, Event.CHARGED_BACK): S.ENDED,
        (S.ACTIVE, Event.UNDONE): S.PAST_DUE,
        (S.ACTIVE, Event.EXTENDED): S.ACTIVE,
        (S.PAST_DUE, Event.PAID): S.ACTIVE,
        (S.PAST_DUE, Event.DECLINED): S.PAST_DUE,
        (S.PAST_DUE, Event.GRACE_OVER): S.ON_HOLD,
        (S.PAST_DUE, Event.GIVEN_UP): S.ENDED,
        (S.PAST_DUE, Event.CANCELLED): S.ENDED,
        (S.PAST_DUE, Event.CHARGED_BACK): S.ENDED,
        (S.PAST_DUE, Event.EXTENDED): S.ACTIVE,
        (S.ON_HOLD, Event.PAID): S.ACTIVE,
        (S.ON_HOLD, Event.DECLINED): S.ON_HOLD,
        (S.ON_HOLD, Event.GIVEN_UP): S.ENDED,
        (S.ON_HOLD, Event.CANCELLED): S.ENDED,
        (S.ON_HOLD, Event.CHARGED_BACK): S.ENDED,
        (S.ON_HOLD, Event.EXTENDED): S.ACTIVE,
        (S.ENDED, Event.SUBSCRIBED): S.INCOMPLETE,
    }
)


def mermaid() -> str:
    """:data:`TRANSITIONS` as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> INCOMPLETE: subscribed"]
    lines += [f"    {source} --> {target}: {event}" for (source, event), target in TRANSITIONS.items()]
    return "\n".join(lines) + "\n"
