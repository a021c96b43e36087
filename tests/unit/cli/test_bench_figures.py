"""The figures of ``billing bench``: medians of several runs, and what the floors allow."""

import pytest

from cli.bench.recovery import Fault, recovery_table
from cli.bench.repeated import interpreter, medians, spread
from cli.bench.work import Work, allowed_per_second


def run(rate: float, p99: float) -> dict[str, object]:
    return {
        "payments_per_second": rate,
        "payments_per_provider_call": rate / 10_000,
        "share_of_floor": rate / 1000,
        "cpu_ms_per_payment_in_all": 8.0,
        "overhead_ms": {"p99": p99},
    }


def test_several_runs_are_told_by_their_medians_and_spread() -> None:
    runs = [run(100, 30), run(300, 10), run(200, 90)]

    assert medians(runs)["payments_per_second"] == 200
    assert medians(runs)["overhead_ms"] == {"p99": 30}
    assert spread(runs)["payments_per_second"] == (100, 300)


def test_one_run_is_told_as_it_was() -> None:
    assert medians([run(123.4, 5)]) == run(123.4, 5)


def test_the_floors_allow_what_all_parts_of_a_payment_take_one_after_the_other() -> None:
    floors = {
        "provider_calls_per_second": 1000,
        "postgres_rows_per_second": 10_000,
        "kafka_messages_per_second": 10_000,
        "rabbitmq_confirms_per_second": 1000,
    }
    # A payment: three requests (its own, a call, a callback) 3 ms, ten rows 1 ms, ten messages 1 ms, two confirms 2 ms.
    done = allowed_per_second(floors, Work(50, 7, 9), Work(50 + 200, 7 + 1000, 9 + 1000), payments=100, confirms=200)

    assert done == pytest.approx(1000 / 7)


def test_nothing_done_allows_nothing() -> None:
    floors = dict.fromkeys(
        (
            "provider_calls_per_second",
            "postgres_rows_per_second",
            "kafka_messages_per_second",
            "rabbitmq_confirms_per_second",
        ),
        1,
    )
    assert allowed_per_second(floors, Work(1, 1, 1), Work(1, 1, 1), payments=0, confirms=0) == 0


def test_the_build_of_the_interpreter_is_named() -> None:
    assert interpreter().endswith((", optimised build", ", plain build"))


@pytest.mark.parametrize(
    ("down_s", "back_s", "lost", "good"),
    [(5.0, 2.0, 0, True), (5.0, 10.1, 0, False), (5.0, None, 0, False), (None, None, 0, False), (5.0, 2.0, 1, False)],
)
def test_a_recovery_is_good_that_came_in_time_and_lost_nothing(
    down_s: float | None, back_s: float | None, lost: int, good: bool
) -> None:
    fault = Fault(100.0, down_s, back_s, 0, lost)

    assert fault.is_good is good
    assert recovery_table({"workers": 1, "faults": {"kafka": fault._asdict()}}).row_count == 1
