"""Every alert rule, evaluated by promtool over invented series: it rests, it does not fire early, it fires, it resolves."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.monitoring.files import RULES
from monitoring.watch import TABLE, Alert

PROMTOOL = shutil.which("promtool")
ALERTS = {alert.name: alert for watched in TABLE for alert in watched.alerts}
#: Fires always: whoever misses it knows that nothing is evaluated.
ALWAYS = "Watchdog"


@dataclass(frozen=True)
class Gauge:
    """``good`` and ``bad`` values of a series; ``None``: it is not there."""

    series: str
    good: float | None
    bad: float | None

    def values(self, before: int, during: int, after: int) -> str:
        return " ".join(self._flat(*one) for one in ((self.good, before), (self.bad, during), (self.good, after)))

    @staticmethod
    def _flat(value: float | None, samples: int) -> str:
        return f"_x{samples}" if value is None else f"{value}+0x{samples - 1}"


@dataclass(frozen=True)
class Grows:
    """How much a series grows in a minute."""

    series: str
    good: float
    bad: float

    def values(self, before: int, during: int, after: int) -> str:
        then, last = self.good * before, self.good * before + self.bad * during
        pieces = ((0.0, self.good, before), (then, self.bad, during), (last, self.good, after))
        return " ".join(f"{start}+{rate}x{samples - 1}" for start, rate, samples in pieces)


@dataclass(frozen=True)
class Stamp:
    """A Unix time that is now while all is well, and stands still, or is not told, while it is not."""

    series: str
    is_told: bool = True

    def values(self, before: int, during: int, after: int) -> str:
        bad = f"{60 * before}+0x{during - 1}" if self.is_told else f"stale _x{during - 1}"
        return f"0+60x{before - 1} {bad} {60 * (before + during)}+60x{after - 1}"


Series = Gauge | Grows | Stamp


@dataclass(frozen=True)
class Case:
    """Minutes ``before`` in which all is well, ``bad`` ones beside what the rule waits, and ``after``."""

    series: tuple[Series, ...]
    before: int = 30
    bad: int = 20
    after: int = 90


def case(*series: Series, **minutes: int) -> Case:
    return Case(series, **minutes)


def gauge(series: str, good: float | None, bad: float | None) -> Case:
    return case(Gauge(series, good, bad))


CHARGES = 'payments_transitions_total{provider="stripe",from="PENDING",to="%s"}'
REQUESTS = 'ingest_requests_total{status="%s"}'
CALLS = 'provider_calls_total{provider="stripe",outcome="%s"}'


def late(sink: str) -> Case:
    """A hundred deliveries a minute: within 1 s, then all later than 5 s."""
    return case(
        Grows(f'sink_lag_seconds_bucket{{sink="{sink}",le="1"}}', 100, 0),
        Grows(f'sink_lag_seconds_bucket{{sink="{sink}",le="5"}}', 100, 0),
        Grows(f'sink_lag_seconds_bucket{{sink="{sink}",le="30"}}', 100, 100),
        Grows(f'sink_lag_seconds_bucket{{sink="{sink}",le="+Inf"}}', 100, 100),
    )


CASES = {
    "OldestUnfinished": gauge('books_unfinished_oldest_seconds{provider="stripe",state="PENDING"}', 5_000, 6_000),
    "HoldRunsOut": gauge('books_unfinished_oldest_seconds{provider="stripe",state="AUTHORIZED"}', 100_000, 390_000),
    "OutcomeUnknown": gauge('books_unknown_oldest_seconds{provider="stripe",type="REFUND"}', 800, 1_000),
    "OutcomeUnknownForHours": gauge('books_unknown_oldest_seconds{provider="stripe",type="REFUND"}', 1_000, 30_000),
    "FollowUpsOverdue": gauge('books_follow_ups_overdue{provider="stripe"}', None, 3),
    "ApprovalFell": case(
        Grows(CHARGES % "CAPTURED", 9, 3), Grows(CHARGES % "FAILED", 1, 7), before=1_600, bad=60, after=120
    ),
    "CommandsRefused": case(
        Grows('payments_decisions_total{type="refund",outcome="changed"}', 10, 5),
        Grows('payments_decisions_total{type="refund",outcome="refused"}', 0.1, 5),
    ),
    "LedgerUnbalanced": gauge('books_ledger_imbalance_minor{currency="RUB"}', 0, -1),
    "PaymentsContradicted": gauge('contradicted_payments{provider="stripe"}', None, 1),
    "CaptureModeDiffers": case(Grows('payments_other_capture_mode_total{provider="stripe"}', 0, 1)),
    "StreamStill": gauge('books_still_seconds{consumer="payments"}', 0, 100),
    "StreamBehind": gauge('books_lag_seconds{consumer="payments"}', 9, 11),
    "PartitionsUnowned": case(
        Gauge('stream_assigned_partitions{consumer="payments",instance="1"}', 6, 6),
        Gauge('stream_assigned_partitions{consumer="payments",instance="2"}', 6, None),
        Gauge('books_partitions{topic="billing.payments.inbox"}', 12, 12),
    ),
    "OutboxWaits": gauge('books_unpublished_messages{consumer="payments",partition="0"}', 500, 10_001),
    "OutageLasts": gauge('outage_seconds{operation="publish",job="worker"}', None, 90),
    "ConsumerStalled": gauge('stream_stalled_seconds{consumer="payments"}', 0, 20),
    "LettersOpen": gauge("books_letters_open", 0, 1),
    "LettersMany": case(Grows("books_letters_open", 1, 3)),
    "ProviderDoubtful": case(Grows(CALLS % "SUCCEEDED", 10, 9), Grows(CALLS % "UNKNOWN", 0.1, 1)),
    "ProviderSlow": case(
        Grows('provider_call_seconds_bucket{provider="stripe",le="1"}', 10, 0),
        Grows('provider_call_seconds_bucket{provider="stripe",le="10"}', 10, 1),
        Grows('provider_call_seconds_bucket{provider="stripe",le="20"}', 10, 10),
        Grows('provider_call_seconds_bucket{provider="stripe",le="+Inf"}', 10, 10),
    ),
    "ProviderDown": case(
        Gauge('provider_breaker{provider="stripe",state="closed",instance="1"}', 1, 0),
        Gauge('provider_breaker{provider="stripe",state="closed",instance="2"}', 0, 0),
    ),
    "ProviderRefusesUs": case(Grows('provider_reasons_total{provider="stripe",reason="credentials"}', 0, 1)),
    "CallbacksRejected": case(Grows('ingest_callbacks_total{provider="stripe",result="rejected"}', 0.3, 2)),
    "ApprovalWaits": gauge('books_approvals_oldest_seconds{state="waiting"}', 14_000, 15_000),
    "ApprovalNotSent": gauge('books_approvals_oldest_seconds{state="not sent"}', 200, 400),
    "CallbacksParked": gauge('books_parked_oldest_seconds{provider="stripe"}', 3_000, 4_000),
    "IngestErrorsFast": case(Grows(REQUESTS % "201", 100, 90), Grows(REQUESTS % "503", 0, 10), bad=40, after=120),
    "IngestErrorsSlow": case(
        Grows(REQUESTS % "201", 100, 99), Grows(REQUESTS % "503", 0, 1), before=1_500, bad=300, after=180
    ),
    "KafkaSlow": case(
        Grows('ingest_kafka_ack_seconds_bucket{le="0.1"}', 100, 0),
        Grows('ingest_kafka_ack_seconds_bucket{le="1"}', 100, 100),
        Grows('ingest_kafka_ack_seconds_bucket{le="+Inf"}', 100, 100),
    ),
    "KafkaUnacknowledged": case(Grows('ingest_kafka_unacknowledged_total{topic="billing.payments.inbox"}', 0, 1)),
    "SignalsStuck": gauge('sink_stuck_seconds{sink="sink.rabbitmq"}', 50, 70),
    "RowsStuck": gauge('sink_stuck_seconds{sink="sink.clickhouse"}', 500, 700),
    "SignalsLate": late("sink.rabbitmq"),
    "RowsLate": late("sink.clickhouse"),
    "SinkStill": gauge('books_still_seconds{consumer="sink.rabbitmq"}', 0, 130),
    "OffsetsMissing": case(Grows('sink_missing_offsets_total{sink="sink.rabbitmq"}', 0, 1)),
    "EventsParked": case(Grows('sink_parked_total{sink="sink.rabbitmq"}', 0, 1)),
    "JobMissed": case(Stamp('scheduler_last_run_timestamp_seconds{task="renew"}')),
    "DailyRecordMissed": case(
        Stamp('books_job_finished_timestamp_seconds{name="daily_record"}'), before=60, bad=1_600, after=30
    ),
    "RenewalsBraked": gauge("renewals_braked", 0, 1),
    "RenewalsLate": gauge("renewals_oldest_due_seconds", 7_000, 7_300),
    "RenewalsFailByUs": gauge('renewal_attempts_recent{provider="stripe",how="OURS"}', 10, 11),
    "StatementSuspect": gauge('clearing_suspect{provider="stripe"}', 0, 1),
    "ClearingFails": case(Grows('clearing_failures_total{provider="stripe"}', 0, 1)),
    "ClearingOverdue": gauge('clearing_days_overdue{provider="stripe"}', 1, 2),
    "ClearingUnexplained": gauge('clearing_unexplained_minor{provider="stripe",currency="RUB"}', 0, -5),
    "DiscrepancyCritical": gauge('clearing_oldest_open_seconds{severity="critical"}', 3_000, 4_000),
    "DiscrepancyHigh": gauge('clearing_oldest_open_seconds{severity="high"}', 80_000, 90_000),
    "CallbacksLost": case(
        Gauge('clearing_lost_callbacks{provider="stripe",learnt_by="inquiry"}', 15, 30),
        Gauge('clearing_movements{provider="stripe"}', 1_000, 1_000),
    ),
    "ClearingEventsLate": gauge("clearing_events_late_seconds", 100, 130),
    "BooksNotClosed": case(Stamp("books_last_close_timestamp_seconds"), before=60, bad=2_200, after=30),
    "ProcessDown": gauge('up{job="worker",instance="1"}', 1, 0),
    "BooksUnread": case(Gauge('monitor_elected{instance="1"}', 1, 0), Stamp("books_read_timestamp_seconds")),
    "ProcessRestarts": case(Grows('process_start_time_seconds{job="worker"}', 0, 60)),
    "VersionsDiffer": case(
        Gauge('books_processes{process="worker",version="1"}', 2, 1),
        Gauge('books_processes{process="worker",version="2"}', None, 1),
    ),
}


def minutes(duration: str) -> int:
    """Whole minutes of a duration of Prometheus."""
    number, unit = int(duration[:-1]), duration[-1]
    return number * {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit] // 60


def promtool(folder: Path, document: Any) -> str:
    """What promtool says of a test; empty where it passes."""
    path = folder / "test.yml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    assert PROMTOOL, "promtool is missing: make prometheus"
    ran = subprocess.run([PROMTOOL, "test", "rules", str(path)], capture_output=True, text=True, check=False)
    return "" if ran.returncode == 0 else ran.stdout + ran.stderr


def firing(alert: Alert, at: int, number: int) -> dict[str, Any]:
    samples = [{"labels": "{}", "value": number}] if number else []
    return {
        "expr": f'count(ALERTS{{alertname="{alert.name}",alertstate="firing"}})',
        "eval_time": f"{at}m",
        "exp_samples": samples,
    }


def alone(name: str, folder: Path, rules: Path = RULES) -> Path:
    """A file with this rule only: promtool evaluates all that it is given."""
    found = [rule for group in yaml.safe_load(rules.read_text())["groups"] for rule in group["rules"]]
    path = folder / "rule.yml"
    kept = [rule for rule in found if rule["alert"] == name]
    path.write_text(yaml.safe_dump({"groups": [{"name": "alone", "rules": kept}]}))
    return path


def document(alert: Alert, of: Case, rules: Path) -> dict[str, Any]:
    """Not before; not while it may pass by itself; then; not after."""
    held = minutes(alert.holds)
    during = held + of.bad
    length = (of.before, during, of.after)
    expected = [
        firing(alert, of.before - 1, 0),
        firing(alert, of.before + during - 1, 1),
        firing(alert, sum(length) - 1, 0),
    ]
    if held > 1:
        expected.insert(1, firing(alert, of.before + held - 1, 0))
    return {
        "rule_files": [str(rules)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": one.series, "values": one.values(*length)} for one in of.series],
                "promql_expr_test": expected,
            }
        ],
    }


@pytest.mark.parametrize("name", sorted(ALERTS.keys() - {ALWAYS}))
def test_an_alert_fires_when_it_must_and_at_no_other_time(name: str, tmp_path: Path) -> None:
    assert promtool(tmp_path, document(ALERTS[name], CASES[name], alone(name, tmp_path))) == ""


def test_a_scheduler_that_is_dead_and_tells_nothing_is_missed(tmp_path: Path) -> None:
    dead = case(Stamp('scheduler_last_run_timestamp_seconds{task="renew"}', is_told=False))
    assert promtool(tmp_path, document(ALERTS["JobMissed"], dead, alone("JobMissed", tmp_path))) == ""


def test_the_watchdog_fires_with_nothing_to_read(tmp_path: Path) -> None:
    expected = [firing(ALERTS[ALWAYS], 5, 1)]
    assert (
        promtool(
            tmp_path,
            {
                "rule_files": [str(RULES)],
                "evaluation_interval": "1m",
                "tests": [{"interval": "1m", "promql_expr_test": expected}],
            },
        )
        == ""
    )


def test_every_alert_has_a_case_and_every_case_an_alert() -> None:
    assert CASES.keys() == ALERTS.keys() - {ALWAYS}
    assert len(ALERTS) == sum(len(watched.alerts) for watched in TABLE), "a name is taken twice"


@pytest.mark.parametrize("wrong", ["> 0 or vector(1)", "> 6000"], ids=["always", "never"])
def test_a_rule_that_fires_too_early_or_never_is_found(wrong: str, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"
    rules.write_text(RULES.read_text().replace("> 60", wrong))
    assert promtool(
        tmp_path, document(ALERTS["StreamStill"], CASES["StreamStill"], alone("StreamStill", tmp_path, rules))
    )
