"""Forms that bring a file: ``multipart/form-data`` (RFC 7578)."""

from email.message import Message
from email.parser import HeaderParser
from email.policy import HTTP
from typing import Final, NamedTuple

MULTIPART: Final = "multipart/form-data"
#: Parts of a form; ours have five.
PARTS_MAX: Final = 20
#: Bytes of a part's head, and of the form's content type: reading one takes time that grows with its square.
HEAD_MAX: Final = 4096


class File(NamedTuple):
    """A file as the browser sent it."""

    name: str
    content: bytes


def read_multipart(content_type: str, body: bytes) -> tuple[dict[str, list[str]], File | None]:
    """The fields of a form and its file; of several files the last. Raises :class:`ValueError` for what no browser sends."""
    boundary = _headers(f"Content-Type: {content_type}".encode()).get_boundary()
    if not boundary:
        raise ValueError("a form without a boundary")
    delimiter = b"\r\n--" + boundary.encode()
    parts = (b"\r\n" + body).split(delimiter, PARTS_MAX + 2)[1:]
    if not parts or len(parts) > PARTS_MAX + 1 or not parts.pop().startswith(b"--"):
        raise ValueError("a form that does not end")
    fields: dict[str, list[str]] = {}
    file = None
    for part in parts:
        head, _, content = part.partition(b"\r\n\r\n")
        headers = _headers(head)
        name, file_name = headers.get_param("name", header="content-disposition"), headers.get_filename()
        if file_name:
            file = File(file_name, content)
        elif file_name is None and isinstance(name, str):
            fields.setdefault(name, []).append(content.decode("utf-8", "replace"))
    return fields, file


def _headers(head: bytes) -> Message:
    if len(head) > HEAD_MAX:
        raise ValueError("a form with a head that is too long")
    return HeaderParser(policy=HTTP).parsestr(head.decode("utf-8", "replace").lstrip())
