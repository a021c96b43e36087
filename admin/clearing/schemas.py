"""Bodies and queries of clearing's endpoints."""

import base64
import binascii
from datetime import UTC, date, datetime
from typing import Annotated, Final
from uuid import UUID

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, InstanceOf, WithJsonSchema
from pydantic_core import PydanticCustomError

from backoffice.clearing.runs import DayState
from billing.clearing.discrepancies import Kind, Resolution, Severity, State
from ingest_api.payments.schemas import MAX_ID, Strict
from ingest_api.texts import ASCII_ID, VISIBLE
from storage.clearing.discrepancies import Discrepancy, Filters, Place

LIMIT_DEFAULT: Final = 20
LIMIT_MAX: Final = 100
MAX_REASON: Final = 500

_places: Final = msgspec.json.Decoder(Place)

#: Fields have the name `date`.
BusinessDay = date
Reason = Annotated[
    str, Field(min_length=1, max_length=MAX_REASON, pattern=VISIBLE, description="why; stays on record for good")
]
Provider = Annotated[str, Field(min_length=1, max_length=MAX_ID, pattern=ASCII_ID)]


def encode_cursor(last: Discrepancy) -> str:
    """The place behind a discrepancy as clients carry it. Its content is not part of the API."""
    place = Place(last.due_at, last.opened_at, last.id)
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode()


def _decode_cursor(value: str) -> Place:
    try:
        place = _places.decode(base64.urlsafe_b64decode(value))
        times = [place.opened_at, *([] if place.due_at is None else [place.due_at])]
        if all(time.tzinfo is not None for time in times):
            due = None if place.due_at is None else place.due_at.astimezone(UTC)
            return Place(due, place.opened_at.astimezone(UTC), place.id)
    except (msgspec.MsgspecError, ValueError, OverflowError, binascii.Error):
        pass
    raise PydanticCustomError("cursor", "Should be the next_cursor of a page")


_Cursor = Annotated[
    InstanceOf[Place],
    BeforeValidator(_decode_cursor),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9_-]+=*$"}),
]
_EXAMPLE: Final = base64.urlsafe_b64encode(
    msgspec.json.encode(Place(None, datetime(2026, 3, 1, 12, tzinfo=UTC), UUID(int=1)))
).decode()


class _Query(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class DiscrepanciesQuery(_Query):
    """The query of the list. Filters can be combined."""

    provider: Provider | None = None
    date: BusinessDay | None = Field(default=None, description="found on this business day")
    kind: Kind | None = None
    state: State | None = Field(default=None, description="left out: all that are not `CLOSED`")
    severity: Severity | None = None
    owner: str | None = Field(default=None, max_length=MAX_ID * 2, description="who has claimed it")
    payment_id: UUID | None = None
    limit: int = Field(default=LIMIT_DEFAULT, ge=1, le=LIMIT_MAX, description="discrepancies a page")
    cursor: _Cursor | None = Field(default=None, description="the `next_cursor` of a page", examples=[_EXAMPLE])

    def filters(self) -> Filters:
        """The filters alone."""
        return Filters(
            provider=self.provider,
            day=self.date,
            kind=self.kind,
            state=self.state,
            severity=self.severity,
            owner=self.owner,
            payment_id=self.payment_id,
        )


class DaysQuery(_Query):
    """The query of the days. Filters can be combined."""

    from_: BusinessDay | None = Field(default=None, alias="from", description="this business day and later ones")
    to: BusinessDay | None = Field(default=None, description="this business day and earlier ones")
    provider: Provider | None = None
    state: DayState | None = None
    limit: int = Field(default=30, ge=1, le=400, description="days of each provider, the latest")


class ReportQuery(_Query):
    """The query of a report."""

    provider: Provider | None = Field(default=None, description="one provider; left out: all of them")


class CsvQuery(ReportQuery):
    """The query of a report for spreadsheets."""

    section: str | None = Field(
        default=None, max_length=MAX_ID, pattern=ASCII_ID, description="one section", examples=["discrepancies"]
    )


class ClaimIn(Strict):
    """Take a discrepancy on."""

    reason: Reason


class ResolveIn(Strict):
    """Decide on a discrepancy."""

    resolution: Resolution
    reason: Reason


class ReopenIn(Strict):
    """Take a decision back."""

    reason: Reason


class RunIn(Strict):
    """Ask for a run."""

    provider: Provider
    date: BusinessDay = Field(description="the business day")
    believe: bool = Field(default=False, description="you have looked at a statement that is doubted")
    reason: Reason


class CloseIn(Strict):
    """Close a day of the books."""

    force: bool = Field(default=False, description="also where clearing is not through with the day")
    reason: Reason
