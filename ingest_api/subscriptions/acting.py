"""What every command to a subscription has in common: refused at once where the committed state refuses it, answered from
that state where it is a repeat, else stored, and its reply waited for."""

from collections.abc import Callable
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from fastapi import Request, Response

from billing.messages import Refusal
from billing.messages.subscription_commands import SubscriptionCommand
from billing.messages.subscription_events import SubscriptionReply, SubscriptionSnapshot
from billing.subscriptions.decide import decide
from billing.subscriptions.decision import Decision, awaits_page, snapshot
from billing.subscriptions.methods import Method
from billing.subscriptions.model import Subscription
from ingest_api.dependencies import Dependencies
from ingest_api.edge.prefer import Preference
from ingest_api.payments.submit import REPLAYED, submit_to_subscription
from ingest_api.problems import RETRY_AFTER_S, Problem, ProblemError, refused
from ingest_api.subscriptions.views import AcceptedSubscription, subscription_view
from storage.saved_methods import StoredMethod

PATH: Final = "/v1/subscriptions"


async def find_subscription(dependencies: Dependencies, client: str, id: UUID) -> Subscription:
    """The client's subscription; 404 when it has none with this id."""
    found = await dependencies.subscriptions.subscription(client, id)
    if found is None:
        raise ProblemError(Problem.SUBSCRIPTION_NOT_FOUND, Problem.SUBSCRIPTION_NOT_FOUND.cause)
    return found


async def time_of(dependencies: Dependencies, client: str, clock_id: UUID | None) -> datetime | None:
    """The time of a test clock; ``None`` without one. 422 when the client has no such clock."""
    if clock_id is None:
        return None
    state = await dependencies.test_clocks.clock(client, clock_id)
    if state is None:
        raise ProblemError(Problem.UNKNOWN_TEST_CLOCK)
    return state.clock.now_at


async def saved_method(dependencies: Dependencies, client: str, customer_id: str, id: UUID) -> StoredMethod:
    """A saved method of the customer; 422 when the customer has none with this id."""
    method = await dependencies.methods.method(client, id)
    if method is None or method.customer_id != customer_id:
        raise ProblemError(Problem.UNKNOWN_PAYMENT_METHOD)
    return method


def require_test_clocks(dependencies: Dependencies) -> None:
    """403 where the operators have not switched test clocks on."""
    if not dependencies.settings.test_clocks:
        raise ProblemError(Problem.TEST_CLOCKS_OFF)


def to_charge(method: StoredMethod) -> Method:
    """A saved method as a subscription keeps it."""
    return Method(method.id, method.provider, method.method_ref, method.title or "", method.expires_on)


def require_provider(dependencies: Dependencies, provider: str, clock_id: UUID | None) -> None:
    """Raise what is refused where the provider is not in use, or not a sandbox for a subscription with a test clock."""
    if provider not in dependencies.providers:
        raise ProblemError(Problem.UNKNOWN_PROVIDER, providers=sorted(dependencies.providers))
    if clock_id is not None and provider not in dependencies.sandboxes:
        raise ProblemError(Problem.TEST_CLOCK_NEEDS_SANDBOX)


def foresee(dependencies: Dependencies, s: Subscription | None, command: SubscriptionCommand) -> Decision:
    """What the command would lead to on the committed state; raises what is refused there. Changes nothing."""
    decision = decide(s, command, dependencies.clock())
    if decision.refusal is not None:
        raise _refused(decision.refusal, command.subscription_id, None if s is None else snapshot(s))
    return decision


async def send(
    dependencies: Dependencies,
    request: Request,
    client: str,
    s: Subscription | None,
    command: SubscriptionCommand,
    wanted: Preference,
    deadline: float,
) -> tuple[SubscriptionReply | None, Preference]:
    """The reply to ``command``, ``None`` if there is none by ``deadline`` (:func:`time.monotonic`), and the preference that
    was applied. ``s``: the committed subscription. Raises what the subscription refuses.

    The subscriptions agent decides again, on the subscription as it is then.
    """
    foresee(dependencies, s, command)
    if s is not None and (repeated := _repeated(s, command)) is not None:
        return repeated, wanted
    reply, applied = await submit_to_subscription(
        dependencies,
        request,
        command,
        source=request.url.path,
        client=client,
        wanted=wanted,
        deadline=deadline,
    )
    if reply is not None and reply.refusal is not None:
        raise _refused(reply.refusal, command.subscription_id, reply.subscription)
    return reply, applied


def _repeated(s: Subscription, command: SubscriptionCommand) -> SubscriptionReply | None:
    """The answer to a command that is carried out; ``None`` for a new one, and while its payment page is awaited."""
    known = next((c for c in s.commands if c.id == command.command_id), None)
    if known is None or awaits_page(s.charge):
        return None
    return SubscriptionReply(s.id, "", snapshot(s), replayed=True, refunded=known.refunded)


def _refused(refusal: Refusal, id: UUID, s: SubscriptionSnapshot | None) -> ProblemError:
    """The problem for what a subscription refused; one that is in the way is at Location."""
    error = refused(refusal)
    at = {"Location": f"{PATH}/{id}"}
    if error.problem is Problem.ALREADY_SUBSCRIBED:
        return ProblemError(Problem.ALREADY_SUBSCRIBED, refusal.detail, headers=at)
    if error.problem is Problem.FIRST_PAYMENT_OPEN:
        url = None if s is None or s.charge is None else s.charge.payment_url
        return ProblemError(Problem.FIRST_PAYMENT_OPEN, refusal.detail, headers=at, payment_url=url)
    return error


def answer(
    id: UUID,
    reply: SubscriptionReply | None,
    applied: Preference,
    *,
    status: int,
    view: Callable[[SubscriptionSnapshot], object] = subscription_view,
) -> Response:
    """The response with the subscription as far as it is known. ``status``: of a known outcome; ``view``: what shows it."""
    headers = {"Location": f"{PATH}/{id}"}
    if applied.applied is not None:
        headers["Preference-Applied"] = applied.applied
    if reply is not None and reply.replayed:
        headers[REPLAYED] = "true"
    shown = None if reply is None else reply.subscription
    waits = shown is None or awaits_page(shown.charge)
    if shown is None:
        content: object = AcceptedSubscription(id=id)
    else:
        content = subscription_view(shown) if waits else view(shown)
    if waits:
        status = 202
        headers["Retry-After"] = str(RETRY_AFTER_S)
    return Response(msgspec.json.encode(content), status_code=status, headers=headers, media_type="application/json")
