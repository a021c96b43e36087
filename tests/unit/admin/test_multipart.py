"""Forms with a file, as browsers send them."""

import pytest

from admin.pages.multipart import HEAD_MAX, PARTS_MAX, read_multipart

TYPE = "multipart/form-data; boundary=----WebKitFormBoundaryx7"


def a_form(*parts: tuple[str, bytes], end: bytes = b"--\r\n") -> bytes:
    body = b""
    for disposition, content in parts:
        body += b"------WebKitFormBoundaryx7\r\nContent-Disposition: form-data; " + disposition.encode() + b"\r\n"
        body += (b"Content-Type: text/csv\r\n" if "filename" in disposition else b"") + b"\r\n" + content + b"\r\n"
    return body + b"------WebKitFormBoundaryx7" + end


def test_fields_and_the_bytes_of_the_file_are_those_that_were_sent() -> None:
    content = b"\xef\xbb\xbfa,b\r\n\r\n--x\n\x00\xff;\r\n\r\n"
    body = a_form(
        ('name="reason"', "«да»".encode()),
        ('name="file"; filename="возвраты; июнь.csv"', content),
        ('name="key"', b"7"),
    )
    fields, file = read_multipart(TYPE, body)
    assert fields == {"reason": ["«да»"], "key": ["7"]}
    assert file == ("возвраты; июнь.csv", content)


def test_no_file_was_chosen() -> None:
    assert read_multipart(TYPE, a_form(('name="file"; filename=""', b""), ('name="key"', b"7"))) == (
        {"key": ["7"]},
        None,
    )


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", a_form(('name="a"', b"1"))),
        (TYPE, b""),
        (TYPE, b"a=1&b=2"),
        (TYPE, a_form(('name="a"', b"1"), end=b"")),
        (TYPE, a_form(*[('name="a"', b"1")] * (PARTS_MAX + 1))),
        (TYPE, a_form((f'name="a"; b="{"x" * HEAD_MAX}"', b"1"))),
        (f'{TYPE}; b="{"x" * HEAD_MAX}"', a_form(('name="a"', b"1"))),
    ],
)
def test_what_no_browser_sends_is_an_error(content_type: str, body: bytes) -> None:
    with pytest.raises(ValueError, match="a form"):
        read_multipart(content_type, body)


def test_a_form_may_have_as_many_parts_as_it_may() -> None:
    fields, _ = read_multipart(TYPE, a_form(*[('name="a"', b"1")] * PARTS_MAX))
    assert len(fields["a"]) == PARTS_MAX
