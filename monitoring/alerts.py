"""Alerts that fire, as Alertmanager has them, and their acknowledgement: a silence there, so that it holds wherever an alert is
shown or calls somebody."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from monitoring.json_api import open_session, read

#: Seconds until Alertmanager has to have answered.
TIMEOUT_S: Final = 3.0


class Acknowledgement(msgspec.Struct, frozen=True):
    """``until``: UTC."""

    by: str
    until: datetime
    comment: str


class Alert(msgspec.Struct, frozen=True):
    """An alert that fires. ``id``: the same as long as its labels are; ``since``: UTC; ``labels``: all of them;
    ``acknowledged``: by whom, ``None`` while it calls; ``inhibited``: another one, which fires too, says it already."""

    id: str
    name: str
    since: datetime
    labels: dict[str, str]
    annotations: dict[str, str]
    acknowledged: Acknowledgement | None
    inhibited: bool

    @property
    def pages(self) -> bool:
        """Whether it wakes somebody."""
        return self.labels.get("severity") == "page"

    @property
    def where(self) -> dict[str, str]:
        """The labels that tell it from others of its name."""
        return {name: value for name, value in self.labels.items() if name not in ("alertname", "severity")}


class _Status(msgspec.Struct, rename="camel"):
    silenced_by: list[str]
    inhibited_by: list[str]


class _Alert(msgspec.Struct, rename="camel"):
    fingerprint: str
    starts_at: datetime
    labels: dict[str, str]
    annotations: dict[str, str]
    status: _Status


class _Silence(msgspec.Struct, rename="camel"):
    id: str
    created_by: str
    ends_at: datetime
    comment: str


class Alertmanager:
    """Calls one Alertmanager (its API v2). Raises :data:`~monitoring.json_api.ERRORS`."""

    def __init__(self, url: str) -> None:
        self._url = f"{url.rstrip('/')}/api/v2"

    async def alerts(self) -> list[Alert]:
        """All that fire: those that wake somebody first, then the longest."""
        async with open_session(TIMEOUT_S) as session:
            found = await read(session, f"{self._url}/alerts", list[_Alert])
            silences = {one.id: one for one in await read(session, f"{self._url}/silences", list[_Silence])}
        alerts = [_alert(one, silences) for one in found if one.labels.get("alertname") != "Watchdog"]
        return sorted(alerts, key=lambda alert: (alert.acknowledged is not None, not alert.pages, alert.since))

    async def acknowledge(self, alert: Alert, by: str, comment: str, until: datetime) -> None:
        """Keep the alert from calling until then (UTC). One that has the same labels again within the time is quiet too."""
        matchers = [
            {"name": name, "value": value, "isRegex": False, "isEqual": True} for name, value in alert.labels.items()
        ]
        silence = {
            "matchers": matchers,
            "startsAt": (datetime.now(UTC) - timedelta(seconds=1)).isoformat(),
            "endsAt": until.isoformat(),
            "createdBy": by,
            "comment": comment,
        }
        async with open_session(TIMEOUT_S) as session, session.post(f"{self._url}/silences", json=silence):
            pass


def _alert(one: _Alert, silences: Mapping[str, _Silence]) -> Alert:
    holding = [silences[id] for id in one.status.silenced_by if id in silences]
    last = max(holding, key=lambda silence: silence.ends_at, default=None)
    return Alert(
        id=one.fingerprint,
        name=one.labels.get("alertname", ""),
        since=one.starts_at,
        labels=one.labels,
        annotations=one.annotations,
        acknowledged=None if last is None else Acknowledgement(last.created_by, last.ends_at, last.comment),
        inhibited=bool(one.status.inhibited_by),
    )
