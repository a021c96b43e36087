"""The OpenID provider over HTTP: its discovery document and keys, kept for a while, and its token endpoint."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
import msgspec
import structlog

from admin.people.oidc import token
from admin.people.oidc.journey import Journey, Purpose, Seal
from admin.people.oidc.refusals import NotIdentified, ProviderFailed, Why
from admin.people.oidc.token import Identity
from providers.http import CONNECT_TIMEOUT_S, NETWORK_ERRORS, OK
from providers.reading import read_answer, read_json
from runtime.settings import SignInSettings
from runtime.settings.sign_in import is_protected

log = structlog.get_logger(__name__)

CALLBACK: Final = "/sign-in/oidc/back"
#: How long the discovery document and the keys are kept, seconds.
TTL_S: Final = 3600.0
#: Minimum pause between two fetches of the keys, seconds: tokens with unknown keys must not become a flood of fetches.
PAUSE_S: Final = 10.0
#: Deadline of each call, for which a person waits, seconds.
TIMEOUT_S: Final = 8.0
#: Bytes of an answer: a key set has some thousand.
ANSWER_LIMIT: Final = 256 * 1024
_CONNECTIONS: Final = 16
#: The answer to a code that was used, is too old, or belongs to another client or verifier (RFC 6749, 5.2).
_INVALID_GRANT: Final = "invalid_grant"

T = TypeVar("T")


class _Discovery(msgspec.Struct):
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class _Tokens(msgspec.Struct):
    id_token: str


class _Error(msgspec.Struct):
    error: str = ""


class _Keys(msgspec.Struct):
    keys: list[dict[str, Any]]


class OidcProvider:
    """The provider that is configured. ``clock``: monotonic seconds."""

    def __init__(self, settings: SignInSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self.issuer = settings.admin_oidc_issuer
        self.name = urlsplit(self.issuer).hostname or ""
        secret = settings.admin_oidc_client_secret.get_secret_value()
        self.seal = Seal(secret)
        self._client = (settings.admin_oidc_client_id, secret)
        self._scope = settings.admin_oidc_scope
        self._redirect = settings.admin_url.rstrip("/") + CALLBACK
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._lock = asyncio.Lock()
        self._discovery: _Discovery | None = None
        self._keys: list[dict[str, Any]] = []
        self._discovered_at = self._fetched_at = -TTL_S

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def address_of(self, journey: Journey) -> str:
        """Where the person signs in. Raises :class:`ProviderFailed`."""
        query = {
            "response_type": "code", "client_id": self._client[0], "redirect_uri": self._redirect, "scope": self._scope,
            "state": journey.state, "nonce": journey.nonce, "code_challenge": journey.challenge,
            "code_challenge_method": "S256",
        }  # fmt: skip
        if journey.purpose is Purpose.CONFIRM:
            query |= {"prompt": "login", "max_age": "0"}
        endpoint = (await self._discover()).authorization_endpoint
        return endpoint + ("&" if "?" in endpoint else "?") + urlencode(query)

    async def identify(self, code: str, journey: Journey) -> Identity:
        """Whom the code stands for. Raises :class:`ProviderFailed` and :class:`NotIdentified`."""
        received = await self._redeem(code, journey.verifier)
        kid, algorithm = token.key_of(received)
        key = token.find_key(await self._published(), kid, algorithm)
        if key is None:  # the provider may have new keys
            key = token.find_key(await self._published(anew=True), kid, algorithm)
        if key is None:
            raise NotIdentified(Why.TOKEN, "it is signed by a key that the provider does not publish")
        return token.identity_of(received, key, issuer=self.issuer, client_id=self._client[0], nonce=journey.nonce)

    async def _redeem(self, code: str, verifier: str) -> str:
        """The ID token that the code stands for."""
        discovery = await self._discover()
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": self._redirect, "code_verifier": verifier,
        }  # fmt: skip
        headers = {}
        id, secret = self._client
        if "client_secret_basic" in discovery.token_endpoint_auth_methods_supported:
            headers["Authorization"] = aiohttp.encode_basic_auth(quote(id, safe=""), quote(secret, safe=""))
        else:
            form |= {"client_id": id, "client_secret": secret}
        status, body = await self._call("POST", discovery.token_endpoint, data=form, headers=headers)
        if status not in OK:
            if _decoded(body, _Error).error == _INVALID_GRANT:
                raise NotIdentified(Why.CODE, "the provider does not take the code")
            raise ProviderFailed(f"the token endpoint answered {status}")
        return _decoded(body, _Tokens).id_token

    async def _discover(self) -> _Discovery:
        """Where the provider's endpoints are."""
        async with self._lock:
            if self._discovery is None or self._clock() - self._discovered_at >= TTL_S:
                found = await self._get(self.issuer.rstrip("/") + "/.well-known/openid-configuration", _Discovery)
                if found.issuer != self.issuer:
                    raise ProviderFailed(f"its discovery document is of another issuer: {found.issuer[:200]!r}")
                endpoints = (found.authorization_endpoint, found.token_endpoint, found.jwks_uri)
                if not all(map(is_protected, endpoints)):
                    raise ProviderFailed("one of its endpoints is not at an https URL")
                self._discovery, self._discovered_at = found, self._clock()
            return self._discovery

    async def _published(self, *, anew: bool = False) -> list[dict[str, Any]]:
        """Its keys. ``anew``: fetched again, unless that was done just now."""
        url = (await self._discover()).jwks_uri
        async with self._lock:
            if self._clock() - self._fetched_at >= (PAUSE_S if anew else TTL_S):
                self._keys = (await self._get(url, _Keys)).keys
                self._fetched_at = self._clock()
            return self._keys

    async def _get(self, url: str, type: type[T]) -> T:
        status, body = await self._call("GET", url)
        if status not in OK:
            raise ProviderFailed(f"{url} answered {status}")
        return _decoded(body, type)

    async def _call(
        self, method: str, url: str, *, data: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Status and body of an answer; a redirect is one too."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_CONNECTIONS),
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        wanted = {"Accept": "application/json", **(headers or {})}
        try:
            async with self._session.request(method, url, data=data, headers=wanted, allow_redirects=False) as answer:
                return answer.status, await read_answer(answer, ANSWER_LIMIT)
        except NETWORK_ERRORS as error:
            raise ProviderFailed(f"{url} does not answer: {error!r}") from error


def _decoded(body: bytes, type: type[T]) -> T:
    try:
        return read_json(body, type)
    except msgspec.MsgspecError as error:
        raise ProviderFailed(f"its answer cannot be read: {error}") from error
