"""Idempotency: a command is identified by its client and its Idempotency-Key, so repeats reach the same payment."""

import hashlib
import re
from collections import OrderedDict
from typing import Annotated, Final
from uuid import UUID, uuid5

import msgspec
from fastapi import Depends, Header, Request
from pydantic import BaseModel

from ingest_api.problems import Problem, ProblemError
from runtime.logging.card_numbers import holds_card_number

#: Never changes: payment ids are derived from it.
NAMESPACE: Final = UUID("5f1a4c5e-0d5b-5c6e-9a57-3f6d1a0b7e21")

_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")


def idempotency_key(request: Request) -> str:
    """The request's one Idempotency-Key; 400 without, with several or with one that cannot be."""
    keys = request.headers.getlist("idempotency-key")
    if len(keys) != 1 or not _KEY.fullmatch(keys[0]):
        raise ProblemError(Problem.INVALID_IDEMPOTENCY_KEY)
    if holds_card_number(keys[0]):
        raise ProblemError(Problem.CARD_NUMBER, "the Idempotency-Key contains it")
    return keys[0]


async def documented_key(
    request: Request,
    _idempotency_key: Annotated[
        str,
        Header(
            alias="Idempotency-Key",
            pattern="^[!-~]{1,255}$",
            description="names the command: the same key and body reach the same payment or operation",
        ),
    ],
) -> str:
    """:func:`idempotency_key` with the header that FastAPI documents."""
    return idempotency_key(request)


#: The request's Idempotency-Key, as a parameter of an endpoint.
IdempotencyKey = Annotated[str, Depends(documented_key)]


def payment_id(client: str, key: str) -> UUID:
    """The same for every repeat. A client's name holds no colon, so two clients never meet."""
    return uuid5(NAMESPACE, f"{client}:{key}")


def command_id(client: str, key: str) -> UUID:
    """The id of a command that makes no payment itself. Commands that open payments have the same ids: a key belongs to
    one command of its client."""
    return payment_id(client, key)


def operation_id(client: str, payment: UUID, key: str) -> UUID:
    """The same for every repeat of a command on a payment or a subscription. Ids that the service makes up below a payment have no colon
    in their names: a client cannot hit one."""
    return uuid5(payment, f"{client}:{key}")


def order_id(payment: UUID) -> UUID:
    """The order of a payment that was created with it."""
    return uuid5(payment, "order")


def fingerprint(body: BaseModel, action: str = "") -> str:
    """SHA-256 (hex) of the validated body as canonical JSON: sorted keys, defaults left out, so that spelling a
    default or gaining an optional field does not make a repeat look like another command. ``action`` keeps apart what
    different URLs were sent."""
    document = body.model_dump(mode="json", exclude_defaults=True)
    return hashlib.sha256(action.encode() + msgspec.json.encode(document, order="sorted")).hexdigest()


#: Commands remembered, some 200 bytes each: at 2,500 a second the last 40 seconds, which is when keys are reused by
#: mistake. Older ones, and those of other processes, are for the payments agent to find.
REMEMBERED: Final = 100_000


class RecentKeys:
    """Payment id → fingerprint of the body it was opened with."""

    def __init__(self, limit: int = REMEMBERED) -> None:
        self._limit = limit
        self._fingerprints: OrderedDict[UUID, str] = OrderedDict()

    def conflicts(self, payment_id: UUID, fingerprint: str) -> bool:
        """Whether the payment is known to have been opened with another body."""
        return self._fingerprints.get(payment_id, fingerprint) != fingerprint

    def is_known(self, payment_id: UUID) -> bool:
        """Whether a command that opens the payment was stored here before."""
        return payment_id in self._fingerprints

    def remember(self, payment_id: UUID, fingerprint: str) -> None:
        """A command was stored. The first with its key counts: the agent sees it first."""
        self._fingerprints.setdefault(payment_id, fingerprint)
        if len(self._fingerprints) > self._limit:
            self._fingerprints.popitem(last=False)
