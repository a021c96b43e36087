"""For who runs the service: is it alive, is it ready, and its numbers."""

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response

from ingest_api.dependencies import Dependencies


class Health:
    """``/livez``, ``/readyz`` and ``/metrics``."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    async def live(self, _request: Request) -> Response:
        """The process answers."""
        return _json({"live": True})

    async def ready(self, _request: Request) -> Response:
        """Commands can be stored and replies heard; 503 with the reasons otherwise."""
        reasons = []
        unready = await self._dependencies.writer.unready()
        if unready is not None:
            reasons.append(unready)
        if self._dependencies.replies.partition is None:
            reasons.append("not listening for replies")
        if not self._dependencies.admission.keys.is_loaded:
            reasons.append("API keys are not loaded")
        return _json({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)

    async def metrics(self, _request: Request) -> Response:
        """Prometheus' text format."""
        return Response(generate_latest(self._dependencies.metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _json(document: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(document), status_code=status, media_type="application/json")
