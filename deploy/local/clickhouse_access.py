"""What a statement must not name, so that nobody with the password reads the machine's files or other hosts.

``clickhouse.xml`` grants no source outside of the tables: no table function, engine or dictionary reaches a file, a URL or
another server. The embedded engine has no grants for the function ``file``, for ``FROM INFILE`` and ``INTO OUTFILE``, nor
for a disk that a statement makes. So statements with these words are refused, wherever they stand: a mistaken guess at
where a string or a comment ends would be a way around.
"""

import re
from pathlib import Path
from typing import Final

#: What the engine's user may do.
GRANTS: Final = Path(__file__).with_name("clickhouse.xml")

_REFUSED: Final = re.compile(rb"\b(?:file|infile|outfile|disk)\b", re.IGNORECASE)
#: Quoted names may be written with these: a byte, and nothing.
_ESCAPES: Final = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|N)")


def refused_word(statement: bytes) -> str | None:
    """The word that the statement must not contain; ``None`` if there is none."""
    plain = _ESCAPES.sub(lambda escape: bytes.fromhex(escape[1].decode()) if escape[1] else b"", statement)
    found = _REFUSED.search(statement) or _REFUSED.search(plain)
    return None if found is None else found[0].decode()
