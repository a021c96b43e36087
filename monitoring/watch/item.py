"""What is watched, as data: one item is one panel, and perhaps one alert."""

from enum import StrEnum

import msgspec


class Severity(StrEnum):
    """PAGE wakes somebody, TICKET is for the day."""

    PAGE = "page"
    TICKET = "ticket"


class Dashboard(StrEnum):
    """The dashboards; the value is the name of the file, and its title in lower case."""

    MONEY = "money"
    STREAMS = "streams"
    PROVIDERS = "providers"
    EDGE = "edge"
    SINKS = "sinks"
    JOBS = "jobs"
    PROCESSES = "processes"


class Unit(StrEnum):
    """Units of panels, by Grafana's names."""

    NUMBER = "short"
    SECONDS = "s"
    SHARE = "percentunit"
    PER_S = "ops"
    BYTES = "bytes"
    MINOR = "locale"
    """Minor units of a currency."""


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody is called when ``when`` holds for ``holds`` (Prometheus' duration).

    ``when``: a comparison that follows the item's query, or a whole expression where ``query`` is empty. ``notice``: what
    customers, or we, notice. ``look``, ``do``: the runbook's row, Markdown.
    """

    name: str
    when: str
    holds: str = "0s"
    severity: Severity
    notice: str
    look: str
    do: str


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """One panel. ``query``: PromQL; ``legend``: labels that tell its series apart, in Grafana's braces. ``rare``: the query
    has no series while nothing is wrong. ``on_page``: the live page shows it, where there is a Prometheus."""

    title: str
    dashboard: Dashboard
    unit: Unit = Unit.NUMBER
    query: str
    legend: str = ""
    rare: bool = False
    on_page: bool = False
    alerts: tuple[Alert, ...] = ()
