"""Payments and refunds while all four providers misbehave: everything ends, and the books agree with the providers."""

import json

import pytest

from tests.conftest import Stack


# The calls that are never answered take most of the time, one to two minutes on an idle machine and several times that
# beside other tests; the stack's start counts too.
@pytest.mark.timeout(700)
def test_in_bad_weather_every_payment_ends_and_is_what_the_provider_says(running: Stack):
    stormy = running.billing("storm", "--payments", "40", "--rate", "0.05", "--json", timeout=500)
    assert stormy.returncode == 0, stormy.stdout + stormy.stderr
    figures = json.loads(stormy.stdout.splitlines()[-1])
    assert figures["accepted"] == 40
    assert figures["statuses"].keys() <= {"CAPTURED", "PARTIALLY_REFUNDED", "REFUNDED", "VOIDED", "FAILED"}
    # A hold that was released in a console before anybody heard of it is a failed payment.
    assert figures["failures"].pop("voided", 0) + figures["statuses"].pop("VOIDED", 0) <= 8
    assert figures["failures"] == {"insufficient_funds": 4}
    assert figures["refunds"] > 0
    assert (figures["unfinished"], figures["violations"]) == (0, [])
    assert {one["provider"] for one in figures["providers"]} == {"yandex-pay", "yookassa", "stripe", "tbank"}
    for one in figures["providers"]:
        assert one["taken"] == one["ledger_taken"] > 0
        assert one["returned"] == one["ledger_returned"]


@pytest.mark.timeout(700)
def test_in_bad_weather_every_renewal_ends_once_and_all_records_agree(running: Stack):
    stormy = running.billing("storm", "--renewals", "24", "--rate", "0.05", "--json", timeout=500)
    assert stormy.returncode == 0, stormy.stdout + stormy.stderr
    figures = json.loads(stormy.stdout.splitlines()[-1])
    assert (figures["renewals"], figures["charged"]) == (24, 24)
    assert figures["charges"] >= 24
    assert figures["subscriptions"].keys() <= {"ACTIVE", "PAST_DUE", "ENDED"}
    assert (figures["unfinished"], figures["charged_twice"], figures["access_mismatches"]) == (0, 0, 0)
    assert figures["violations"] == []
    assert {one["provider"] for one in figures["providers"]} == {"yandex-pay", "yookassa", "stripe", "tbank"}
    for one in figures["providers"]:
        assert one["taken"] == one["ledger_taken"] == one["clickhouse_taken"] == one["receipts"] > 0
        assert one["returned"] == one["ledger_returned"] == one["clickhouse_returned"]
    assert sum(one["returned"] for one in figures["providers"]) > 0
