"""Every route of the API: what it is called, who handles it, how it is documented."""

from dataclasses import dataclass
from typing import Any

from ingest_api import create_payment, openapi, read_payment
from ingest_api.create_payment import CreatePaymentHandler
from ingest_api.front import Handler
from ingest_api.health import Health
from ingest_api.parts import Parts
from ingest_api.problem_pages import list_problems, read_problem
from ingest_api.read_payment import ReadPaymentHandler
from ingest_api.webhooks import CALLBACK_PATHS, WebhookHandler


@dataclass(frozen=True, slots=True)
class ApiRoute:
    """``name`` is the operation id clients are generated from. ``busy``: served without the framework in between;
    its path has no parameters."""

    method: str
    path: str
    name: str
    handler: Handler
    docs: dict[str, Any]
    busy: bool = False


def api_routes(parts: Parts) -> list[ApiRoute]:
    """The routes, with a webhook for each provider that is set up."""
    health = Health(parts)
    create, read = CreatePaymentHandler(parts), ReadPaymentHandler(parts)
    return [
        ApiRoute("POST", create_payment.PATH, "create_payment", create, openapi.CREATE_PAYMENT, busy=True),
        ApiRoute("GET", read_payment.PATH, "read_payment", read, openapi.READ_PAYMENT),
        *_webhooks(parts),
        ApiRoute("GET", "/livez", "livez", health.live, openapi.LIVE),
        ApiRoute("GET", "/readyz", "readyz", health.ready, openapi.READY),
        ApiRoute("GET", "/metrics", "metrics", health.metrics, openapi.METRICS),
        ApiRoute("GET", "/problems", "list_problems", list_problems, openapi.LIST_PROBLEMS),
        ApiRoute("GET", "/problems/{code}", "read_problem", read_problem, openapi.READ_PROBLEM),
    ]


def _webhooks(parts: Parts) -> list[ApiRoute]:
    return [
        ApiRoute(
            "POST",
            f"/webhooks/{name}{path}",
            f"callback_{name.replace('-', '_')}",
            WebhookHandler(parts, parts.providers[name]),
            {"summary": f"A callback of {name}", **openapi.WEBHOOK},
            busy=True,
        )
        for name, path in CALLBACK_PATHS.items()
        if name in parts.providers
    ]
