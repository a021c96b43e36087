"""Every route of the API: what it is called, who handles it, how it is documented."""

from dataclasses import dataclass
from typing import Any

from ingest_api.dependencies import Parts
from ingest_api.edge.fast_path import Handler
from ingest_api.health import Health
from ingest_api.openapi import lists, operations, payments, service, webhooks
from ingest_api.payments import act, create, events, read, read_operations, read_timeline
from ingest_api.payments import lists as payment_lists
from ingest_api.payments.act import ActOnPaymentHandler
from ingest_api.payments.create import CreatePaymentHandler
from ingest_api.payments.events import PaymentEventsHandler
from ingest_api.payments.lists import ListPaymentsHandler
from ingest_api.payments.read import ReadPaymentHandler
from ingest_api.payments.read_operations import ReadOperations
from ingest_api.payments.read_timeline import ReadTimelineHandler
from ingest_api.problems.pages import list_problems, read_problem
from ingest_api.webhooks.endpoint import CALLBACK_PATHS, WebhookHandler


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
    entries = ReadOperations(parts)
    return [
        ApiRoute(
            "POST", create.PATH, "create_payment", CreatePaymentHandler(parts), payments.CREATE_PAYMENT, busy=True
        ),
        ApiRoute("GET", payment_lists.PATH, "list_payments", ListPaymentsHandler(parts), lists.LIST_PAYMENTS),
        ApiRoute("GET", read.PATH, "read_payment", ReadPaymentHandler(parts), payments.READ_PAYMENT),
        *(
            ApiRoute("POST", act.PATH + name, f"{name}_payment", ActOnPaymentHandler(parts, name), docs)
            for name, docs in operations.ACTIONS.items()
        ),
        ApiRoute("GET", read_operations.PATH, "read_operations", entries.all, operations.READ_OPERATIONS),
        ApiRoute("GET", read_operations.ONE_PATH, "read_operation", entries.one, operations.READ_OPERATION),
        ApiRoute("GET", read_timeline.PATH, "read_timeline", ReadTimelineHandler(parts), lists.READ_TIMELINE),
        ApiRoute("GET", events.PATH, "payment_events", PaymentEventsHandler(parts), lists.PAYMENT_EVENTS),
        *_webhooks(parts),
        ApiRoute("GET", "/livez", "livez", health.live, service.LIVE),
        ApiRoute("GET", "/readyz", "readyz", health.ready, service.READY),
        ApiRoute("GET", "/metrics", "metrics", health.metrics, service.METRICS),
        ApiRoute("GET", "/problems", "list_problems", list_problems, service.LIST_PROBLEMS),
        ApiRoute("GET", "/problems/{code}", "read_problem", read_problem, service.READ_PROBLEM),
    ]


def _webhooks(parts: Parts) -> list[ApiRoute]:
    return [
        ApiRoute(
            "POST",
            f"/webhooks/{name}{path}",
            f"callback_{name.replace('-', '_')}",
            WebhookHandler(parts, parts.providers[name]),
            webhooks.WEBHOOKS[name],
            busy=True,
        )
        for name, path in CALLBACK_PATHS.items()
        if name in parts.providers
    ]
