"""Where an INSERT's statement ends and its rows begin."""

import pytest

from deploy.local.clickhouse_insert import parse_insert


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (b"INSERT INTO t (a) FORMAT Native\n\x00\xff\n", b"\x00\xff\n"),
        (b"insert into t format CSV\r\n1\n", b"1\n"),
        (b"INSERT INTO t FORMAT CSV 1,2", b"1,2"),
        (b"INSERT INTO t\n (a,\n b)\n FORMAT JSONEachRow\n{}\n", b"{}\n"),
        (b"/* why */ -- because\nINSERT INTO t FORMAT CSV\n1", b"1"),
        (b"INSERT INTO `FORMAT CSV` (a) FORMAT TSV\n1", b"1"),
        (b"INSERT INTO t (format, values) FORMAT TSV\n1", b"1"),
        (b"INSERT INTO t FORMAT CSV\n", b""),
        (b"INSERT INTO t FORMAT CSV\nFORMAT TSV", b"FORMAT TSV"),
    ],
)
def test_rows_begin_after_the_format_and_one_line_end(text, rows):
    insert = parse_insert(text)
    assert insert is not None
    assert insert.rows == rows


@pytest.mark.parametrize(
    "text",
    [
        b"SELECT 1 FORMAT CSV",
        b"INSERT INTO t VALUES ('a FORMAT CSV')",
        b"INSERT INTO t SELECT 1 FORMAT CSV",
        b"INSERT INTO t WITH 1 AS x SELECT x",
        b"INSERT INTO t FORMAT Values (1)",
        b"INSERT INTO t FROM INFILE 'f' FORMAT CSV",
        b"INSERT INTO t (a)",
        b"",
    ],
)
def test_what_the_engine_reads_by_itself_is_left_alone(text):
    assert parse_insert(text) is None


def test_a_file_is_named_before_the_settings():
    insert = parse_insert(b"INSERT INTO t (a) SETTINGS async_insert = 0 FORMAT CSV\n1")
    assert insert is not None
    assert insert.from_file("/f") == (
        "INSERT INTO t (a) FROM INFILE '/f' COMPRESSION 'none' SETTINGS async_insert = 0 FORMAT CSV"
    )
