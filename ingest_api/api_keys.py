"""Who is calling: API keys, known by their SHA-256 only."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Final

from pydantic import SecretStr
from starlette.requests import Request

from ingest_api.problems import Problem, ProblemError

_CLIENT_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_SHA256_HEX: Final = re.compile(r"[0-9a-f]{64}")
_SCHEME: Final = "bearer "
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="billing"'}


class ApiKeys:
    """The API clients. ``hashes``: client name → SHA-256 (hex) of its key. Raises :class:`ValueError` for a name or
    hash that cannot be one: a colon in a name would let two clients share payment ids."""

    def __init__(self, hashes: Mapping[str, SecretStr]) -> None:
        self._clients: list[tuple[str, bytes]] = []
        for name, secret in hashes.items():
            digest = secret.get_secret_value()
            if not _CLIENT_NAME.fullmatch(name) or not _SHA256_HEX.fullmatch(digest):
                raise ValueError(f"API client {name!r}: the name or the SHA-256 of its key is not valid")
            self._clients.append((name, bytes.fromhex(digest)))

    def authenticate(self, request: Request) -> str:
        """The client's name; 401 when the key is missing or wrong."""
        header = request.headers.get("authorization", "")
        if header[: len(_SCHEME)].lower() != _SCHEME:
            raise ProblemError(Problem.UNAUTHORIZED, headers=_CHALLENGE)
        client = self._find(header[len(_SCHEME) :].strip())
        if client is None:
            raise ProblemError(
                Problem.UNAUTHORIZED, headers={"WWW-Authenticate": 'Bearer realm="billing", error="invalid_token"'}
            )
        return client

    def _find(self, key: str) -> str | None:
        digest = hashlib.sha256(key.encode("latin-1")).digest()
        found = None
        for name, expected in self._clients:  # all of them, whichever fits: the time taken tells nothing
            if hmac.compare_digest(digest, expected):
                found = name
        return found
