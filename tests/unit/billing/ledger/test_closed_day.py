from datetime import UTC, date, datetime
from hashlib import sha256

import msgspec

from billing.ledger.closed_day import ClosedDay, canonical, chained
from billing.ledger.tie_out import TieOut
from billing.ledger.trial_balance import AccountBalance

DAY = ClosedDay(
    accounting_date=date(2026, 11, 20),
    closed_at=datetime(2026, 11, 21, 3, 0, tzinfo=UTC),
    closed_by="Ольга",
    reason='all "explained"',
    entries=2,
    accounts=(AccountBalance("bank", "RUB", 0, 5, 0, 5), AccountBalance("clearing:stripe", "RUB", 0, 0, 5, -5)),
    tie_outs=(TieOut(provider="stripe", currency="RUB", ours=-5, theirs=-5),),
)


def test_the_bytes_of_a_record_never_change():
    assert canonical(DAY).decode() == (
        '{"accounting_date":"2026-11-20","accounts":['
        '{"account":"bank","closing":5,"credit":0,"currency":"RUB","debit":5,"opening":0},'
        '{"account":"clearing:stripe","closing":-5,"credit":5,"currency":"RUB","debit":0,"opening":0}],'
        '"closed_at":"2026-11-21T03:00:00Z","closed_by":"Ольга","entries":2,"format":2,"reason":"all \\"explained\\"",'
        '"tie_outs":[{"awaited":0,"awaited_count":0,"booked_later":0,"booked_later_count":0,"currency":"RUB",'
        '"opening":0,"ours":-5,"provider":"stripe","theirs":-5}]}'
    )


def test_a_record_that_is_read_back_has_the_same_bytes():
    assert canonical(msgspec.json.decode(canonical(DAY), type=ClosedDay)) == canonical(DAY)


def test_a_hash_covers_the_day_and_every_day_before_it():
    first = chained(None, b"a")
    assert first == sha256(b"a").digest()
    assert chained(first, b"b") == sha256(first + b"b").digest()
    assert chained(chained(None, b"c"), b"b") != chained(first, b"b")
