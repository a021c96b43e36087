"""A file of refunds as people make it: what is taken, and which words a bad line gets."""

from uuid import UUID, uuid4, uuid5

import pytest

from admin.bulk.file import ROWS_MAX, InvalidFile, read_rows
from storage.bulk.rows import Row, RowState

JOB = UUID(int=7)
ID = "0b08858d-7b63-4ffe-8645-4f1d16c5a9ea"
OTHER = "5f2d1f6e-30a5-4c0b-9d53-0c2a4a3c7d10"
CARD = "4111 1111 1111 1111"


def read(text: str | bytes) -> list[Row]:
    return read_rows(JOB, text.encode() if isinstance(text, str) else text, "all of June")


def only(line: str | bytes) -> Row:
    head = b"payment_id,amount,reason\n"
    (row,) = read(head + (line.encode() if isinstance(line, str) else line))
    return row


def test_a_row_has_its_line_its_words_and_an_operation_of_its_own() -> None:
    first, second = read(f"payment_id,amount,reason\n{ID},299.00,the picture froze\n\n{OTHER},,\n")
    assert (first.number, first.payment_id, first.typed, first.reason) == (2, UUID(ID), "299.00", "the picture froze")
    assert (second.number, second.payment_id, second.typed, second.reason) == (4, UUID(OTHER), "", "all of June")
    assert [row.state for row in (first, second)] == [RowState.UNCHECKED] * 2
    assert [row.operation_id for row in (first, second)] == [uuid5(JOB, "2"), uuid5(JOB, "4")]


@pytest.mark.parametrize(
    "text",
    [
        f"\ufeffpayment_id,amount,reason\r\n{ID},1,ok\r\n",
        f"payment_id;amount;reason\r\n{ID};1;ok\r\n",
        f"payment_id\tamount\treason\n{ID}\t1\tok",
        f'"payment_id","amount","reason"\r{ID},"1","ok"\r',
        f"reason,amount,payment_id,,\nok, 1 ,{ID.upper()},,\n",
        f"Payment_ID , Amount,reason\n{ID},1,ok,,\n",
    ],
)
def test_what_spreadsheets_make_of_a_file_is_read(text: str) -> None:
    (row,) = read(text)
    assert (row.payment_id, row.typed, row.reason, row.state) == (UUID(ID), "1", "ok", RowState.UNCHECKED)


def test_reasons_in_any_language_are_kept() -> None:
    assert only(f"{ID},1,«Фильм» не показали").reason == "«Фильм» не показали"


def test_an_amount_with_a_decimal_comma_is_one_cell_between_semicolons() -> None:
    (row,) = read(f"payment_id;amount\n{ID};1 299,50\n")
    assert row.typed == "1 299,50"


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("nonsense,1,", "invalid_payment_id", "“nonsense” is not the id of a payment"),
        (",1,", "invalid_payment_id", "the id of the payment is missing"),
        (f"{{{ID}}},1,", "invalid_payment_id", "is not the id"),
        (f"{CARD},1,", "invalid_payment_id", "“***” is not the id"),
        (f"{ID}", "invalid_line", "the line has 1 cell, the first line names 3 columns"),
        (f"{ID},1,299,ok", "invalid_line", "the line has 4 cells"),
        (f'{ID},1,"not closed', "invalid_line", "quotation mark"),
        (f"{ID},{CARD},", "card_number", "card number"),
        (f"{ID},1,paid by {CARD}", "invalid_reason", "card number"),
        (f"{ID},1,{'x' * 251}", "invalid_reason", "250"),
        (f"{ID},1,a\x07b", "invalid_reason", "cannot be printed"),
        (f"{ID},{'1' * 41},", "invalid_line", "the amount is not a number"),
        (f"{ID},1,Фильм".encode("cp1251"), "invalid_text", "UTF-8"),
    ],
)
def test_a_bad_line_says_what_is_wrong_with_it(line: str | bytes, code: str, words: str) -> None:
    row = only(line)
    assert (row.state, row.code) == (RowState.REFUSED, code)
    assert words in (row.detail or "")
    assert "4111" not in f"{row.detail}{row.typed}{row.reason}", "a card number is kept nowhere"


def test_a_bad_line_does_not_spoil_the_others() -> None:
    rows = read(f'payment_id,amount,reason\n{ID},1,"open\n{OTHER},1,ok\n')
    assert [row.state for row in rows] == [RowState.REFUSED, RowState.UNCHECKED]


def test_of_two_lines_of_a_payment_the_first_is_taken() -> None:
    rows = read(f"payment_id,amount\n{ID},1\n{ID.upper()},2\n")
    assert [row.code for row in rows] == [None, "named_twice"]
    assert "line 2 names the same payment" in (rows[1].detail or "")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf \r\n", "empty"),
        (b"payment_id,amount\n\n", "no line of a refund"),
        (f"{ID},1\n".encode(), "The first line has to name the columns"),
        (f"payment_id\n{ID}\n".encode(), "“amount” is missing"),
        (f"payment_id,amount,currency\n{ID},1,RUB".encode(), "“currency” is not known"),
        (f"payment_id,amount,amount\n{ID},1,1".encode(), "named twice"),
        (b"PK\x03\x04...", "workbook"),
        (f"payment_id,amount\n{ID},1".encode("utf-16"), "UTF-8"),
        (b"payment_id,amount\n" + b"x" * 4 * 1024 * 1024, "4 MiB"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_as_a_whole(content: bytes, words: str) -> None:
    with pytest.raises(InvalidFile, match=words):
        read(content)


def test_a_file_has_a_largest_number_of_lines() -> None:
    text = "payment_id,amount\n" + "".join(f"{uuid4()},1\n" for _ in range(ROWS_MAX))
    assert len(read(text)) == ROWS_MAX
    with pytest.raises(InvalidFile, match="20\u202f000"):
        read(text + f"{ID},1\n")
