"""Every route of the API: what it is called, who handles it, how it is documented."""

from dataclasses import dataclass
from typing import Any

from ingest_api.dependencies import Dependencies
from ingest_api.edge.fast_path import Handler
from ingest_api.health import Health
from ingest_api.openapi import lists, operations, payments, service, webhooks
from ingest_api.payments import act, create, events, read
from ingest_api.payments import list as payment_list
from ingest_api.payments.act import ActOnPaymentHandler
from ingest_api.payments.create import CreatePaymentHandler
from ingest_api.payments.events import PaymentEventsHandler
from ingest_api.payments.list import ListPaymentsHandler
from ingest_api.payments.read import ReadOperations, ReadPaymentHandler, ReadTimelineHandler
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


def api_routes(dependencies: Dependencies) -> list[ApiRoute]:
    """The routes, with a webhook for each provider that is set up."""
    health = Health(dependencies)
    entries = ReadOperations(dependencies)
    return [
        ApiRoute(
            "POST",
            create.PATH,
            "create_payment",
            CreatePaymentHandler(dependencies),
            payments.CREATE_PAYMENT,
            busy=True,
        ),
        ApiRoute("GET", payment_list.PATH, "list_payments", ListPaymentsHandler(dependencies), lists.LIST_PAYMENTS),
        ApiRoute("GET", read.PAYMENT_PATH, "read_payment", ReadPaymentHandler(dependencies), payments.READ_PAYMENT),
        *(
            ApiRoute("POST", act.PATH + name, f"{name}_payment", ActOnPaymentHandler(dependencies, name), docs)
            for name, docs in operations.ACTIONS.items()
        ),
        ApiRoute("GET", read.OPERATIONS_PATH, "read_operations", entries.all, operations.READ_OPERATIONS),
        ApiRoute("GET", read.OPERATION_PATH, "read_operation", entries.one, operations.READ_OPERATION),
        ApiRoute("GET", read.TIMELINE_PATH, "read_timeline", ReadTimelineHandler(dependencies), lists.READ_TIMELINE),
        ApiRoute("GET", events.PATH, "payment_events", PaymentEventsHandler(dependencies), lists.PAYMENT_EVENTS),
        *_webhooks(dependencies),
        ApiRoute("GET", "/livez", "livez", health.live, service.LIVE),
        ApiRoute("GET", "/readyz", "readyz", health.ready, service.READY),
        ApiRoute("GET", "/metrics", "metrics", health.metrics, service.METRICS),
        ApiRoute("GET", "/problems", "list_problems", list_problems, service.LIST_PROBLEMS),
        ApiRoute("GET", "/problems/{code}", "read_problem", read_problem, service.READ_PROBLEM),
    ]


def _webhooks(dependencies: Dependencies) -> list[ApiRoute]:
    return [
        ApiRoute(
            "POST",
            f"/webhooks/{name}{path}",
            f"callback_{name.replace('-', '_')}",
            WebhookHandler(dependencies, dependencies.providers[name]),
            webhooks.WEBHOOKS[name],
            busy=True,
        )
        for name, path in CALLBACK_PATHS.items()
        if name in dependencies.providers
    ]
