"""Forms that bring a file: ``multipart/form-data`` (RFC 7578), which the standard library reads as a letter."""

from email.parser import BytesParser
from email.policy import HTTP
from typing import Final, NamedTuple

MULTIPART: Final = "multipart/form-data"


class File(NamedTuple):
    """A file as the browser sent it."""

    name: str
    content: bytes


def read_multipart(content_type: str, body: bytes) -> tuple[dict[str, list[str]], File | None]:
    """The fields of a form and its file; of several files the last. What is no form of a browser has neither."""
    letter = BytesParser(policy=HTTP).parsebytes(
        b"Content-Type: " + content_type.encode("latin-1") + b"\r\n\r\n" + body
    )
    fields: dict[str, list[str]] = {}
    file = None
    for part in letter.iter_parts() if letter.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if not isinstance(name, str) or not isinstance(content, bytes):
            continue
        if (file_name := part.get_filename()) is None:
            fields.setdefault(name, []).append(content.decode("utf-8", "replace"))
        elif file_name:
            file = File(file_name, content)
    return fields, file
