"""Every error with which a consumer sets a message aside has an explanation."""

from collections.abc import Iterator

import pytest
import sqlalchemy.exc

from admin.letters.causes import MEANINGS, meaning_of
from billing.errors import BillingError, InvalidMessage
from billing.messages.envelope import UnknownMessageType
from sinks.batch import PayloadRejected
from streams.callbacks.agent import PaymentUnknown


def kinds(error: type[Exception]) -> Iterator[type[Exception]]:
    for kind in error.__subclasses__():
        yield from (kind, *kinds(kind))


#: Messages of unknown types are parked, and no dead letters.
WRITTEN = [
    kind for kind in kinds(BillingError) if kind.__module__.startswith("billing") and kind is not UnknownMessageType
]


@pytest.mark.parametrize("kind", [*WRITTEN, PaymentUnknown, PayloadRejected, sqlalchemy.exc.DataError])
def test_it_has_an_explanation(kind: type[Exception]) -> None:
    assert kind.__name__ in MEANINGS


def test_any_other_error_has_the_general_one() -> None:
    assert meaning_of(f"{InvalidMessage.__name__}: not a CloudEvent") is MEANINGS["InvalidMessage"]
    assert meaning_of("ValueError: x") == meaning_of("?")
    assert meaning_of("?") not in MEANINGS.values()
