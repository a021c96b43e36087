"""An OpenID provider over HTTP, with real keys; a test has it misbehave."""

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import unquote, urlencode

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

CLIENT: Final = "billing-admin"
SECRET: Final = "a secret: with a colon & an ampersand"


class OpenidProvider:
    """``person``: claims about who signs in next. ``changed``: what a test does to the claims of a token; ``signed``: how it
    signs one. ``replaced``: answers by path instead of ours; ``delay_s``: before each."""

    def __init__(self) -> None:
        self.issuer = ""
        self.keys: dict[str, Any] = {"rsa-1": rsa.generate_private_key(public_exponent=65537, key_size=2048)}
        self.kid = "rsa-1"
        self.person: dict[str, Any] = {"sub": "248289", "email": "Ann@cinema.example", "email_verified": True}
        self.changed: Callable[[dict[str, Any]], dict[str, Any]] = lambda claims: claims
        self.signed: Callable[[dict[str, Any]], str] = self.sign
        self.replaced: dict[str, tuple[int, bytes]] = {}
        self.delay_s = 0.0
        self.methods = ["client_secret_basic"]
        self.says_when = True
        self.calls: list[str] = []
        self.asked: list[dict[str, str]] = []
        self._codes: dict[str, dict[str, str]] = {}

    def use_ec(self) -> None:
        """Sign with a new EC key."""
        self.keys["ec-1"] = ec.generate_private_key(ec.SECP256R1())
        self.kid = "ec-1"

    def rotate(self) -> None:
        """Sign with a new key; the old one is not published any more."""
        self.keys = {"rsa-2": rsa.generate_private_key(public_exponent=65537, key_size=2048)}
        self.kid = "rsa-2"

    def sign(self, claims: dict[str, Any]) -> str:
        key = self.keys[self.kid]
        algorithm = "ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "RS256"
        return jwt.encode(claims, key, algorithm, {"kid": self.kid})

    def sign_with_public_key(self, claims: dict[str, Any]) -> str:
        """An HMAC whose secret is the public key, as PEM: the attack on libraries that take any algorithm."""
        secret = self.keys[self.kid].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return hmac_token(claims, secret, self.kid)

    def back(self, query: dict[str, str]) -> str:
        """Where the provider sends somebody who signed in there: to us, with a code."""
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT
        assert query["code_challenge_method"] == "S256"
        self.asked.append(query)
        code = secrets.token_urlsafe(16)
        self._codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state'], 'iss': self.issuer})}"

    async def _authorize(self, request: web.Request) -> web.Response:
        raise web.HTTPFound(self.back(dict(request.query)))

    async def _discovery(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "token_endpoint_auth_methods_supported": self.methods,
            }
        )

    async def _keys(self, _request: web.Request) -> web.Response:
        keys = [{"kid": "strange", "kty": "AKP", "use": "sig"}]
        for kid, key in self.keys.items():
            of = ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else RSAAlgorithm
            keys.append({**of.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig"})  # type: ignore[attr-defined]
        return web.json_response({"keys": keys})

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        if not self._is_client(request, form):
            return web.json_response({"error": "invalid_client"}, status=401)
        query = self._codes.pop(str(form["code"]), None)
        verifier = base64.urlsafe_b64encode(hashlib.sha256(str(form["code_verifier"]).encode()).digest())
        if (
            query is None
            or verifier.rstrip(b"=").decode() != query["code_challenge"]
            or form["redirect_uri"] != query["redirect_uri"]
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": query["nonce"]}
        if self.says_when:
            claims["auth_time"] = now
        token = self.signed(self.changed(claims | self.person))
        return web.json_response({"access_token": "unused", "token_type": "Bearer", "id_token": token})

    def _is_client(self, request: web.Request, form: Any) -> bool:
        if "client_secret_basic" not in self.methods:
            return (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET)
        sent = base64.b64decode(request.headers.get("Authorization", "").removeprefix("Basic ")).decode()
        return [unquote(part) for part in sent.split(":")] == [CLIENT, SECRET]

    @web.middleware
    async def _misbehave(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.calls.append(request.path)
        await asyncio.sleep(self.delay_s)
        if request.path in self.replaced:
            status, body = self.replaced[request.path]
            return web.Response(status=status, body=body, headers={"Location": "/keys"} if status == 302 else None)
        return await handler(request)  # type: ignore[no-any-return]

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["OpenidProvider"]:
        app = web.Application(middlewares=[self._misbehave])
        app.router.add_get("/.well-known/openid-configuration", self._discovery)
        app.router.add_get("/keys", self._keys)
        app.router.add_get("/authorize", self._authorize)
        app.router.add_post("/token", self._token)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.issuer = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()


def unsigned(claims: dict[str, Any]) -> str:
    """A token of the algorithm ``none``."""
    return jwt.encode(claims, None, "none", {"kid": "rsa-1"})


def hmac_token(claims: dict[str, Any], secret: bytes, kid: str) -> str:
    """A token of HS256; PyJWT would refuse this secret."""
    header = _part({"alg": "HS256", "typ": "JWT", "kid": kid})
    signed = f"{header}.{_part(claims)}"
    mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
