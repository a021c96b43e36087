"""Every metric of the admin process, declared and explained."""

from time import perf_counter
from typing import Final

from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runtime.metrics import SECONDS, new_registry
from runtime.series import Series

#: Pages with series of their own; the rest share one.
_PAGES: Final = 50
#: Of a status: its first digit and "xx".
CLASSES: Final = ("1xx", "2xx", "3xx", "4xx", "5xx")
#: The page of a request that no route takes.
NO_PAGE: Final = "none"


class Metrics:
    """One registry per application."""

    def __init__(self) -> None:
        self.registry = new_registry()
        self._requests = Series(
            Counter(
                "admin_requests",
                "Requests answered, by page (the route's template) and class of the status.",
                ("page", "class"),
                registry=self.registry,
            ),
            _PAGES,
            CLASSES,
        )
        self._seconds = Series(
            Histogram(
                "admin_request_seconds",
                "From a request to the end of its answer, by page.",
                ("page",),
                buckets=SECONDS,
                registry=self.registry,
            ),
            _PAGES,
        )

    def answered(self, page: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests(page, f"{status // 100}xx").inc()
        self._seconds(page).observe(seconds)


class Counting:
    """ASGI middleware that counts the requests of an application. One that fails is counted with status 500."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, started = 500, perf_counter()

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            page = getattr(scope.get("route"), "path", NO_PAGE)
            self._metrics.answered(page, status, perf_counter() - started)
