"""Registers as lines: however they are written, whole or not at all."""

import io
import tracemalloc
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.registers import RegisterMap, explain, load_map, read_register
from providers.registers.maps import MAPS, Totals
from providers.statements import LineKind, StatementLine, StatementUnavailable

OURS = load_map("tbank")
HEAD = "type,order_id,operation_id,merchant_operation_id,amount,fee,currency,time,payout\n"
OWN = "6f1c2a52-6a4e-4c0f-9f0b-8d6d1a3b7c11"
RUSSIAN = RegisterMap(
    columns={"type": "Тип операции", "line_ref": "Номер", "amount": "Сумма", "fee": "Комиссия", "time": "Дата и время"},
    types={"Оплата": LineKind.CHARGE, "Возврат": LineKind.REFUND},
    currency="RUB",
    decimal=",",
    zone="Europe/Moscow",
    time_format="%d.%m.%Y %H:%M:%S",
)


def a_row(type: str = "Debit", id: str = "1", amount: str = "599.00", fee: str = "16.77", **other: str) -> str:
    cells = {"currency": "RUB", "time": "2026-11-27T12:00:00+03:00", "payout": "", **other}
    return f"{type},7,{id},{OWN},{amount},{fee},{cells['currency']},{cells['time']},{cells['payout']}\n"


def lines(text: str | bytes, map: RegisterMap = OURS, *, is_proven: bool = True) -> list[StatementLine]:
    content = text if isinstance(text, bytes) else text.encode()
    return list(read_register(io.BytesIO(content), map, is_proven=is_proven))


def refused(text: str | bytes, map: RegisterMap = OURS, **proof: Any) -> str:
    with pytest.raises(StatementUnavailable) as raised:
        lines(text, map, **proof)
    return raised.value.reason


def test_a_row_becomes_a_line_with_everything_it_states() -> None:
    (line,) = lines(HEAD + a_row(payout="p-1"))
    assert (line.kind, line.amount, line.fee, line.currency) == (LineKind.CHARGE, 59_900, 1_677, "RUB")
    assert (str(line.own_id), line.order_ref, line.provider_ref, line.line_ref) == (OWN, "7", "1", "1")
    assert (line.at, line.payout_ref, line.raw_type) == (datetime(2026, 11, 27, 9, tzinfo=UTC), "p-1", "Debit")


def test_a_type_that_nobody_told_us_of_is_another_line_and_the_day_stays() -> None:
    found = lines(HEAD + a_row() + a_row("Loyalty", amount="-3.50") + a_row(id="3"))
    assert [(line.kind, line.amount, line.raw_type) for line in found] == [
        ("charge", 59_900, "Debit"), ("other", -350, "Loyalty"), ("charge", 59_900, "Debit"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("type", "stated", "kind", "amount"),
    [
        ("Credit", "10.00", "refund", -1_000),
        ("Credit", "-10.00", "refund", -1_000),
        ("credit ", "\u221210.00", "refund", -1_000),
        ("CancelRefund", "10.00", "refund_undone", 1_000),
        ("Chargeback", "-10.00", "chargeback", -1_000),
        ("Chargeback_Reversal", "10.00", "chargeback_undone", 1_000),
        ("Representment", "-10.00", "chargeback_undone", -1_000),
        ("AUTH_FAIL", "0", "fee", 0),
        ("ClientCorrection", "-10.00", "adjustment", -1_000),
        ("Payout", "10.00", "payout", -1_000),
    ],
)
def test_a_type_gives_a_line_its_kind_and_its_sign(type: str, stated: str, kind: str, amount: int) -> None:
    (line,) = lines(HEAD + a_row(type, amount=stated))
    assert (line.kind, line.amount) == (kind, amount)


def test_a_card_number_in_the_words_of_a_row_is_masked() -> None:
    map = RegisterMap({**OURS.columns, "method": "payout"}, OURS.types)
    (line,) = lines(HEAD + a_row(payout="Visa 4111 1111 1111 1111"), map)
    assert line.method is not None
    assert "1111" not in line.method


def test_equal_rows_without_an_id_stay_as_many_as_they_are_and_share_their_reference() -> None:
    nameless = a_row(id="")
    found = lines(HEAD + nameless + nameless + a_row(id="", amount="1.00"))
    assert len(found) == 3
    assert found[0].line_ref == found[1].line_ref != found[2].line_ref


@pytest.mark.parametrize("cut", range(1, len(a_row())))
def test_a_register_that_was_cut_off_is_no_short_day(cut: int) -> None:
    assert refused(HEAD + a_row() + a_row(id="2")[:-cut], is_proven=False).startswith("incomplete")


def test_a_register_of_whole_rows_that_nothing_proves_is_no_short_day() -> None:
    assert refused(HEAD + a_row(), is_proven=False) == "incomplete: nothing shows that the file is whole"
    assert refused("", is_proven=True) == "incomplete: the file is empty"
    assert lines(HEAD, is_proven=True) == []


TOTALS = RegisterMap(OURS.columns, OURS.types, totals=Totals("ИТОГО", "operation_id"))


def a_total(count: str, amount: str, currency: str = "RUB") -> str:
    return f"Итого,,{count},,{amount},,{currency},,\n"


def test_a_row_of_totals_proves_a_register() -> None:
    text = HEAD + a_row() + a_row("Credit", "2", "100.00") + a_total("2", "499.00")
    assert [line.amount for line in lines(text, TOTALS, is_proven=False)] == [59_900, -10_000]


@pytest.mark.parametrize(
    "end",
    [
        "",
        a_total("2", "599.00"),
        a_total("1", "598.00"),
        a_total("1", "599.00") + a_row(id="2"),
        a_total("1", "599.00") + a_row(id="2", currency="USD"),
    ],
)
def test_totals_that_are_missing_or_disagree_refuse_a_register(end: str) -> None:
    assert refused(HEAD + a_row() + end, TOTALS).startswith("incomplete")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (a_row(amount="1.005"), "amount_precision (row 2)"),
        (a_row(fee="0.001"), "amount_precision (row 2)"),
        (a_row(amount='"1,5"'), "not_an_amount (row 2)"),
        (a_row(amount="five"), "not_an_amount (row 2)"),
        (a_row(amount=""), "not_an_amount (row 2)"),
        (a_row(amount="1e3"), "not_an_amount (row 2)"),
        (a_row(currency="XTS"), "currency 'XTS' is not supported (row 2)"),
        (a_row(time="2026-11-27T12:00:00"), "time_without_zone (row 2)"),
        (a_row(time="yesterday"), "not_a_time (row 2)"),
        (a_row(id="1\0"), "unreadable_text: line_ref (row 2)"),
        ("Debit,7\n", "incomplete: row 2 has 2 cells of 9"),
        (a_row().replace("\n", ",more\n"), "other_columns: row 2 has 10 cells, not 9"),
        ('"Debit,7,1\n', "incomplete"),
    ],
)
def test_what_cannot_be_read_exactly_refuses_the_register_and_names_the_row(row: str, reason: str) -> None:
    assert refused(HEAD + row).startswith(reason)


def test_a_register_with_other_columns_is_refused_with_those_that_are_missing() -> None:
    assert refused(HEAD.replace("fee,", "commission,") + a_row()) == "other_columns: no fee"


def test_a_column_that_the_map_does_not_have_is_no_reason_to_refuse() -> None:
    assert len(lines(HEAD.replace("\n", ",shop\n") + a_row().replace("\n", ",Cinema\n"))) == 1


def test_columns_stand_in_any_order() -> None:
    head, row = HEAD.strip().split(","), a_row().strip().split(",")
    assert lines(f"{','.join(head[::-1])}\n{','.join(row[::-1])}\n")[0].amount == 59_900


RUSSIAN_TEXT = (
    "Реестр операций за 27.11.2026\n"
    "\n"
    "Тип операции;Номер;Сумма;Комиссия;Дата и время;Примечание\n"
    'Оплата;="00123";1\u00a0234,50;34,57;27.11.2026 23:59:59;"две\nстроки"\n'  # noqa: RUF001
    "Возврат;124;1 234,50;0;27.11.2026 12:00:00;\n"
    "Тип операции;Номер;Сумма;Комиссия;Дата и время;Примечание\n"
    "оплата;125;'99,9;0,00;27.11.2026 12:00:00;\n"
    ";;;;;\n"
    "\n"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1251"])
def test_a_register_is_read_as_spreadsheets_and_banks_write_it(encoding: str) -> None:
    found = lines(RUSSIAN_TEXT.encode(encoding), RUSSIAN)
    assert [(line.kind, line.line_ref, line.amount, line.fee) for line in found] == [
        ("charge", "00123", 123_450, 3_457), ("refund", "124", -123_450, 0), ("charge", "125", 9_990, 0),
    ]  # fmt: skip
    assert found[0].at == datetime(2026, 11, 27, 20, 59, 59, tzinfo=UTC)


AMOUNTS = st.integers(-(10**12), 10**12)
SPACES = st.sampled_from(["", " ", "\u00a0", "\u2009", "\u202f"])


@st.composite
def written(draw: st.DrawFn) -> tuple[bytes, list[int]]:
    """A register in some fashion, and the amounts it states."""
    amounts = draw(st.lists(AMOUNTS, max_size=8))
    space, minus = draw(SPACES), draw(st.sampled_from(["-", "\u2212"]))
    decimal, delimiter = draw(st.sampled_from([(",", ";"), (",", "\t")]))
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "cp1251"]))
    if encoding == "cp1251":  # it has neither thin spaces nor this minus
        space, minus = draw(st.sampled_from(["", " ", "\u00a0"])), "-"
    end = draw(st.sampled_from(["\n", "\r\n"]))
    header = ["Тип операции", "Номер", "Сумма", "Комиссия", "Дата и время"]
    rows = [["Реестр"]] if draw(st.booleans()) else []
    rows.append([f"\u00a0{cell} " if draw(st.booleans()) else cell for cell in header])
    for index, amount in enumerate(amounts):
        whole, part = divmod(abs(amount), 100)
        text = f"{minus if amount < 0 else ''}{f'{whole:,}'.replace(',', space)}{decimal}{part:02d}"
        text = draw(st.sampled_from([text, f'="{text}"', f"'{text}", f" {text} "]))
        rows.append(["Прочее", str(index), text, "", "27.11.2026 12:00:00"])
        if draw(st.booleans()):
            rows.append(draw(st.sampled_from([header, [""] * 5, [""]])))
    rows += [[""] * 5] * draw(st.integers(0, 3))
    quoted = draw(st.booleans())
    text = end.join(
        delimiter.join(f'"{c.replace(chr(34), chr(34) * 2)}"' if quoted else c for c in row) for row in rows
    )
    return (text + end).encode(encoding), amounts


@given(written())
def test_every_fashion_of_writing_gives_the_amounts_that_were_written(register: tuple[bytes, list[int]]) -> None:
    content, amounts = register
    assert [line.amount for line in lines(content, RUSSIAN)] == amounts


@given(st.binary(max_size=400), st.booleans())
def test_no_bytes_break_the_reader(noise: bytes, is_headed: bool) -> None:
    with suppress(StatementUnavailable):
        lines((HEAD.encode() if is_headed else b"") + noise)


@given(st.text(max_size=30))
def test_no_amount_is_guessed(text: str) -> None:
    try:
        (line,) = lines((HEAD + a_row("x", amount=f'"{text}"' if '"' not in text else "x")).encode("utf-8", "replace"))
    except (StatementUnavailable, ValueError):
        return
    assert Decimal("".join(text.replace("\u2212", "-").strip("'=\" ").split())) * 100 == line.amount


def test_a_long_register_is_read_in_bounded_memory() -> None:
    class Endless(io.RawIOBase):
        """A register that is never in memory."""

        def __init__(self, count: int) -> None:
            self._pieces = [HEAD.encode(), *[(a_row(id=str(i)) * 50).encode() for i in range(count // 50)]]
            self._whole = len(b"".join(self._pieces))
            self._at = 0
            self._buffer = b"".join(self._pieces)
            self._pieces = []

        def seek(self, offset: int, whence: int = 0) -> int:
            self._at = offset if whence == 0 else self._whole + offset
            return self._at

        def read(self, size: int = -1) -> bytes:
            found = self._buffer[self._at : self._at + size]
            self._at += len(found)
            return found

    def peak(count: int) -> int:
        file = Endless(count)
        tracemalloc.start()
        assert sum(1 for _ in read_register(file, OURS, is_proven=True)) == count  # type: ignore[arg-type]
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(20_000) - peak(2_000) < 512 * 1024


@pytest.mark.parametrize("path", sorted(MAPS.glob("*.toml")), ids=lambda path: path.stem)
def test_our_maps_are_valid(path: Any) -> None:
    assert load_map(path.stem) == load_map(str(path))


@pytest.mark.parametrize(
    "text",
    ["", "[columns]\namount = 'a'", "[columns]\namount = 'a'\ntime = 't'", "sum = 'x'", "[columns]\nsum = 'a'", "[["],
)
def test_a_map_that_is_none_is_refused_with_its_name(text: str, tmp_path: Any) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(ValueError, match="mine.toml"):
        load_map(str(tmp_path / "mine.toml"))


def test_a_register_is_explained_by_what_each_column_was_taken_for() -> None:
    text = (
        HEAD.replace("payout", "card") + a_row(payout="4111 1111 1111 1111") + a_row("Loyalty", "2") + a_row(amount="x")
    )
    found = explain(text.encode(), OURS)
    assert found.missing == ("payout",)
    assert (found.columns["amount"], found.columns["card"]) == (("amount",), ())
    assert found.columns["operation_id"] == ("line_ref", "provider_ref")
    map = RegisterMap({field: name for field, name in OURS.columns.items() if name != "payout"}, OURS.types)
    found = explain(text.encode(), map)
    assert (found.encoding, found.delimiter, found.missing, found.types) == ("utf-8-sig", ",", (), ("Loyalty",))
    assert [row.line is not None and row.line.kind for row in found.rows] == ["charge", "other", False]
    assert found.rows[2].reason == "not_an_amount (row 4)"
    assert "1111" not in found.rows[0].cells["card"]
