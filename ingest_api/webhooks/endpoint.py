"""Callbacks of providers: the sender is verified by the raw bytes, which are in Kafka before the response."""

import hashlib
from collections.abc import Mapping
from typing import Final

import structlog
from fastapi import APIRouter, Request, Response

from billing.messages.topics import (
    CALLBACK_PROVIDER,
    CALLBACK_TYPE,
    CALLBACKS,
    CE_ID,
    CE_SOURCE,
    CE_SPECVERSION,
    CE_TIME,
    CE_TYPE,
    CONTENT_TYPE,
)
from ingest_api.dependencies import Dependencies
from ingest_api.edge.bodies import read_body
from ingest_api.edge.fast_path import DirectRoute
from ingest_api.openapi.webhooks import callback_docs
from providers.base import CallbackRejected

log = structlog.get_logger(__name__)

#: Bytes. The longest documented callback has a few KB.
CALLBACK_LIMIT: Final = 64 * 1024


def webhook_router(dependencies: Dependencies) -> APIRouter:
    """A direct route for each configured provider."""
    router = APIRouter(tags=["webhooks"], route_class=DirectRoute)
    for name, plugin in dependencies.providers.items():
        router.add_api_route(
            f"/webhooks/{name}{plugin.callback.path}",
            CallbackReceiver(dependencies, name).receive,
            methods=["POST"],
            operation_id=f"callback_{name.replace('-', '_')}",
            response_class=Response,
            **callback_docs(plugin),
        )
    return router


class CallbackReceiver:
    """Verifies and stores one provider's callbacks."""

    def __init__(self, dependencies: Dependencies, provider: str) -> None:
        self._dependencies = dependencies
        self._provider = provider
        self._verifier = dependencies.verifiers[provider]
        self._source = f"/webhooks/{provider}".encode()
        # An alert counts the rejected: the series must be there before the first, at 0.
        dependencies.metrics.callbacks(provider, "rejected")

    async def receive(self, request: Request) -> Response:
        """Answer as the provider's documentation asks once the callback is stored."""
        name = self._provider
        counter = self._dependencies.metrics.callbacks
        body = await read_body(request, CALLBACK_LIMIT)
        peer = None if request.client is None else request.client.host
        try:
            verified = await self._verifier.verify(request.headers, body, peer)
        except CallbackRejected as rejected:
            counter(name, "rejected").inc()
            log.warning("callback rejected", provider=name, status=rejected.status, reason=rejected.reason, peer=peer)
            return Response(rejected.body, status_code=rejected.status, media_type="application/json")
        await self._dependencies.writer.store(
            CALLBACKS.name, verified.order_ref.encode(), body, self._headers(request.headers, body)
        )
        counter(name, "stored").inc()
        return Response(verified.response, media_type=verified.response_type)

    def _headers(self, headers: Mapping[str, str], body: bytes) -> list[tuple[str, bytes]]:
        """CloudEvents binary mode. The same bytes have the same id."""
        name = self._provider
        return [
            (CE_SPECVERSION, b"1.0"),
            (CE_ID, f"{name}/{hashlib.sha256(body).hexdigest()}".encode()),
            (CE_TYPE, CALLBACK_TYPE.encode()),
            (CE_SOURCE, self._source),
            (CE_TIME, self._dependencies.clock().isoformat().encode()),
            (CALLBACK_PROVIDER, name.encode()),
            (CONTENT_TYPE, headers.get("content-type", "application/octet-stream").encode("latin-1")),
        ]
