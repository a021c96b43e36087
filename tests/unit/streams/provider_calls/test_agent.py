import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import date
from typing import Any, ClassVar
from uuid import uuid4

import pytest

from billing.messages import Envelope, ProviderRequest, ProviderResult, decode_envelope
from billing.messages.topics import RENEWALS
from billing.reasons import Reason
from billing.vocabulary import Action, CaptureMode, Lane, Outcome
from providers.base import CallResult, ParsedCallback, Provider
from providers.statements import Part, StatementPage
from reconciliation.renewals.pace import Bounds
from runtime.kafka.record import Incoming
from storage.providers.switches import Switch
from streams.delivery.ordered_feed import OrderedFeed
from streams.delivery.watermarks import Watermarks
from streams.provider_calls import agent as provider_agent
from streams.provider_calls.agent import ProviderAgent
from streams.provider_calls.availability import Availability
from streams.provider_calls.breaker import JUDGED_FROM
from streams.provider_calls.places import Places
from tests.support.factories import NOW, later
from tests.support.streams import Publisher


class Scripted(Provider):
    """A provider that does as it is told; ``gate`` holds its answers back."""

    name: ClassVar[str] = "scripted"

    def __init__(self, answer: Callable[[ProviderRequest], CallResult] | None = None) -> None:
        self.calls: list[ProviderRequest] = []
        self.at_once = self.most_at_once = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self._answer = answer or (lambda _: CallResult(Outcome.SUCCEEDED))

    def parts(self, day: date) -> Sequence[Part]:
        raise NotImplementedError

    def pages(self, part: Part, after: str | None = None) -> AsyncIterator[StatementPage]:
        raise NotImplementedError

    async def perform(self, request: ProviderRequest) -> CallResult:
        self.calls.append(request)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.gate.wait()
        self.at_once -= 1
        return self._answer(request)

    def parse_callback(self, body: bytes) -> ParsedCallback:
        raise NotImplementedError


class Removed:
    """The gate of saved methods: the ``refs`` are removed, once ``known``."""

    def __init__(self, *refs: str) -> None:
        self.refs = set(refs)
        self.known = asyncio.Event()
        self.known.set()

    async def refusal(self, request: ProviderRequest) -> Reason | None:
        await self.known.wait()
        return Reason.METHOD_REMOVED if request.saved_method in self.refs else None


def an_agent(publisher: Publisher, providers: dict[str, Provider], **fields: Any) -> ProviderAgent:
    places = fields.pop("places", None) or Places(providers, fields.pop("concurrency", 4))
    values: dict[str, Any] = {"places": places, "timeout_s": 5.0, "now": lambda: NOW}
    availability = fields.pop("availability", None) or Availability(None, providers, "worker")  # type: ignore[arg-type]
    methods = fields.pop("methods", None) or Removed()
    agent = ProviderAgent(
        None, publisher, publisher.dead_letters, providers, availability, methods, pytest.fail, **(values | fields)
    )  # type: ignore[arg-type]
    agent.position.marks = Watermarks({0: 0})
    return agent


def requests(count: int, provider: str = "scripted", start: int = 0) -> list[Incoming]:
    return [incoming(start + n, provider) for n in range(count)]


def incoming(offset: int, provider: str = "scripted", **fields: Any) -> Incoming:
    payment_id = uuid4()
    values: dict[str, Any] = {
        "payment_id": payment_id,
        "operation_id": uuid4(),
        "provider": provider,
        "action": Action.CREATE,
        "order_ref": "order-1",
        "currency": "RUB",
        "amount": 100,
        "capture_mode": CaptureMode.ONE_STAGE,
    }
    request = ProviderRequest(**(values | fields))
    envelope = Envelope.wrap(request, id=f"request-{offset}", source="/test", subject=str(payment_id), time=NOW)
    return Incoming(0, offset, b"key", envelope.encode())


def a_renewal(offset: int, method: str = "method-1", **fields: Any) -> Incoming:
    return incoming(offset, action=Action.RECUR, saved_method=method, lane=Lane.RENEWAL, **fields)


async def from_the_start() -> dict[int, int]:
    return {0: 0}


def results(publisher: Publisher) -> list[ProviderResult]:
    messages = [decode_envelope(bytes(output.value)).open() for output in publisher.published]
    return [message for message in messages if isinstance(message, ProviderResult)]


async def until(condition: Callable[[], bool], patience_s: float = 5) -> None:
    async with asyncio.timeout(patience_s):
        while not condition():
            await asyncio.sleep(0)


async def test_each_call_reports_to_the_payment_it_was_made_for():
    publisher = Publisher()
    agent = an_agent(publisher, {"scripted": Scripted()})
    batch = requests(3)
    await agent.process(batch)
    await until(lambda: len(publisher.published) == 3)
    asked = {decode_envelope(message.value).open().payment_id for message in batch}
    assert {result.payment_id for result in results(publisher)} == asked
    assert {output.topic for output in publisher.published} == {"billing.payments.inbox"}


async def test_a_slow_provider_holds_up_nobody_else():
    publisher = Publisher()
    slow, quick = Scripted(), Scripted()
    slow.gate.clear()
    agent = an_agent(publisher, {"slow": slow, "quick": quick}, concurrency=2)
    await agent.process(requests(20, "slow") + requests(5, "quick", start=20))
    await until(lambda: len(publisher.published) == 5)
    assert {result.provider for result in results(publisher)} == {"quick"}
    slow.gate.set()
    await until(lambda: len(publisher.published) == 25)


async def test_no_more_calls_run_at_once_than_allowed():
    publisher = Publisher()
    provider = Scripted()
    provider.gate.clear()
    agent = an_agent(publisher, {"scripted": provider}, concurrency=3)
    await agent.process(requests(10))
    await until(lambda: provider.at_once == 3)
    provider.gate.set()
    await until(lambda: len(publisher.published) == 10)
    assert provider.most_at_once == 3


async def test_what_does_not_fit_the_queue_is_reported_as_not_sent(monkeypatch):
    monkeypatch.setattr(provider_agent, "QUEUE_PER_PROVIDER", 2)
    publisher = Publisher()
    provider = Scripted()
    provider.gate.clear()
    agent = an_agent(publisher, {"scripted": provider}, concurrency=1)
    await agent.process(requests(5))
    await until(lambda: len(publisher.published) >= 2)
    assert {(result.outcome, result.reason) for result in results(publisher)} == {(Outcome.NOT_SENT, "queue_full")}
    provider.gate.set()
    await until(lambda: len(publisher.published) == 5)
    assert len(provider.calls) + sum(result.reason == "queue_full" for result in results(publisher)) == 5


async def test_an_adapter_that_fails_leaves_the_outcome_unknown():
    def fail(_: ProviderRequest) -> CallResult:
        raise RuntimeError("a defect")

    publisher = Publisher()
    agent = an_agent(publisher, {"scripted": Scripted(fail)})
    await agent.process(requests(1))
    await until(lambda: len(publisher.published) == 1)
    assert [(r.outcome, r.reason) for r in results(publisher)] == [(Outcome.UNKNOWN, "adapter_error")]


async def test_a_call_past_its_deadline_is_unknown_never_failed(monkeypatch):
    monkeypatch.setattr(provider_agent, "GRACE_S", 0.0)
    publisher = Publisher()
    provider = Scripted()
    provider.gate.clear()
    agent = an_agent(publisher, {"scripted": provider}, timeout_s=0.01)
    await agent.process(requests(1))
    await until(lambda: len(publisher.published) == 1)
    assert [(r.outcome, r.reason) for r in results(publisher)] == [(Outcome.UNKNOWN, "deadline")]


async def test_the_position_does_not_pass_a_call_that_has_not_ended():
    publisher = Publisher()
    slow, quick = Scripted(), Scripted()
    slow.gate.clear()
    agent = an_agent(publisher, {"slow": slow, "quick": quick})
    await agent.process(requests(1, "quick") + requests(1, "slow", start=1) + requests(2, "quick", start=2))
    await until(lambda: len(publisher.published) == 3)
    assert agent.position.marks.moves() == {0: (0, 1)}
    slow.gate.set()
    await until(lambda: len(publisher.published) == 4)
    await until(lambda: agent.position.marks.moves() == {0: (0, 4)})


async def test_a_request_nobody_can_carry_out_goes_aside():
    publisher = Publisher()
    agent = an_agent(publisher, {"scripted": Scripted()})
    await agent.process([Incoming(0, 0, b"key", b"poison"), incoming(1, "unknown-provider")])
    await until(lambda: len(publisher.dead_letters.written) == 2)
    assert publisher.published == []
    await until(lambda: agent.position.marks.moves() == {0: (0, 2)})


async def test_a_provider_that_only_fails_is_not_called_for_a_while_and_the_requests_count_as_not_sent():
    publisher = Publisher()
    failing = Scripted(lambda _: CallResult(Outcome.UNKNOWN, reason="timeout"))
    agent = an_agent(publisher, {"scripted": failing, "other": Scripted()}, concurrency=1)
    await agent.process(requests(JUDGED_FROM + 5))
    await until(lambda: len(publisher.published) == JUDGED_FROM + 5)
    assert len(failing.calls) == JUDGED_FROM
    held_back = [(r.outcome, r.reason) for r in results(publisher)[JUDGED_FROM:]]
    assert held_back == [(Outcome.NOT_SENT, "breaker_open")] * 5
    await agent.process([incoming(JUDGED_FROM + 5, "other")])
    await until(lambda: results(publisher)[-1].outcome is Outcome.SUCCEEDED)


async def test_a_provider_switched_off_is_not_called():
    publisher, provider = Publisher(), Scripted()
    availability = Availability(None, ["scripted"], "worker")  # type: ignore[arg-type]
    availability._switches = {"scripted": Switch(enabled=False, reason="an incident", actor="olga", switched_at=NOW)}
    agent = an_agent(publisher, {"scripted": provider}, availability=availability)
    await agent.process(requests(3))
    await until(lambda: len(publisher.published) == 3)
    assert provider.calls == []
    assert {(r.outcome, r.reason) for r in results(publisher)} == {(Outcome.NOT_SENT, "provider_disabled")}


@pytest.mark.parametrize("action", [Action.CREATE, Action.RECUR])
async def test_a_charge_past_its_time_is_not_sent(action: Action):
    publisher, provider = Publisher(), Scripted()
    agent = an_agent(publisher, {"scripted": provider})
    await agent.process([incoming(0, action=action, not_after=NOW), incoming(1, action=action, not_after=later(1))])
    await until(lambda: len(publisher.published) == 2)
    assert {(r.outcome, r.reason) for r in results(publisher)} == {
        (Outcome.NOT_SENT, "too_late"),
        (Outcome.SUCCEEDED, None),
    }
    assert [request.not_after for request in provider.calls] == [later(1)]


async def test_a_charge_that_waited_past_its_time_is_not_sent():
    publisher, provider = Publisher(), Scripted()
    clock = [NOW]
    methods = Removed()
    methods.known.clear()
    agent = an_agent(publisher, {"scripted": provider}, methods=methods, now=lambda: clock[-1])
    await agent.process([a_renewal(0, not_after=later(5))])
    await asyncio.sleep(0)
    clock.append(later(6))
    methods.known.set()
    await until(lambda: len(publisher.published) == 1)
    assert [(r.outcome, r.reason) for r in results(publisher)] == [(Outcome.NOT_SENT, "too_late")]
    assert provider.calls == []


async def test_money_is_given_back_and_asked_about_at_any_time():
    publisher, provider = Publisher(), Scripted()
    agent = an_agent(publisher, {"scripted": provider})
    await agent.process([incoming(n, action=a, not_after=NOW) for n, a in enumerate((Action.REFUND, Action.INQUIRE))])
    await until(lambda: len(publisher.published) == 2)
    assert [request.action for request in provider.calls] == [Action.REFUND, Action.INQUIRE]


async def test_a_method_that_is_removed_is_not_charged_by_requests_that_wait_already():
    publisher, provider, methods = Publisher(), Scripted(), Removed()
    provider.gate.clear()
    agent = an_agent(publisher, {"scripted": provider}, methods=methods, concurrency=1, lane=Lane.RENEWAL)
    await agent.process([a_renewal(n) for n in range(5)])
    await until(lambda: len(provider.calls) == 1)
    methods.refs.add("method-1")
    provider.gate.set()
    await until(lambda: len(publisher.published) == 5)
    assert len(provider.calls) == 1
    assert [(r.outcome, r.reason) for r in results(publisher)[1:]] == [(Outcome.NOT_SENT, "method_removed")] * 4


async def test_a_charge_waits_while_it_cannot_be_known_whether_its_method_is_removed():
    publisher, provider, methods = Publisher(), Scripted(), Removed()
    methods.known.clear()
    agent = an_agent(publisher, {"scripted": provider}, methods=methods, lane=Lane.RENEWAL)
    await agent.process([a_renewal(0)])
    for _ in range(20):
        await asyncio.sleep(0)
    assert (provider.calls, publisher.published) == ([], [])
    methods.known.set()
    await until(lambda: len(publisher.published) == 1)


class TestLanes:
    async def test_ten_thousand_renewals_keep_no_checkout_waiting(self):
        publisher, provider = Publisher(), Scripted()
        provider.gate.clear()
        providers: dict[str, Provider] = {"scripted": provider}
        places = Places(providers, 64)
        interactive = an_agent(publisher, providers, places=places)
        renewals = an_agent(publisher, providers, places=places, lane=Lane.RENEWAL)
        feed = OrderedFeed("renewals", RENEWALS.name, pytest.fail)

        async def deliver() -> None:
            for n in range(10_000):
                await feed.offer(a_renewal(n))

        await feed.restore(from_the_start)
        tasks = [
            asyncio.create_task(deliver()),
            asyncio.create_task(feed.work(500, renewals.process, renewals.room)),
        ]
        await until(lambda: provider.at_once == 48, 60)
        await until(lambda: len(renewals._tasks) == provider_agent.RENEWALS_PER_PROVIDER, 60)
        await interactive.process(requests(1))
        await until(lambda: provider.calls[-1].action is Action.CREATE, 60)
        assert publisher.published == []  # nothing ended, and no renewal was reported as not sent
        assert len(renewals._tasks) == provider_agent.RENEWALS_PER_PROVIDER
        provider.gate.set()
        await until(lambda: len(publisher.published) == 10_001, 60)
        assert {r.outcome for r in results(publisher)} == {Outcome.SUCCEEDED}
        for task in tasks:
            task.cancel()

    async def test_a_provider_that_does_not_answer_keeps_no_other_providers_renewals_waiting(self):
        publisher, silent, other = Publisher(), Scripted(), Scripted()
        silent.gate.clear()
        renewals = an_agent(publisher, {"silent": silent, "other": other}, lane=Lane.RENEWAL)
        feed = OrderedFeed("renewals", RENEWALS.name, pytest.fail)
        # As many as the renewal job leaves unanswered, and the other provider's behind them.
        unanswered = Bounds().unanswered
        await feed.restore(from_the_start)
        for n in range(unanswered):
            await feed.offer(a_renewal(n, provider="silent"))
        for n in range(20):
            await feed.offer(a_renewal(unanswered + n, provider="other"))
        work = asyncio.create_task(feed.work(500, renewals.process, renewals.room))
        await until(lambda: len(publisher.published) == 20, 60)
        assert {r.provider for r in results(publisher)} == {"other"}
        silent.gate.set()
        await until(lambda: len(publisher.published) == unanswered + 20, 60)
        work.cancel()

    async def test_renewals_leave_a_quarter_of_the_places_free(self):
        publisher, provider = Publisher(), Scripted()
        provider.gate.clear()
        providers: dict[str, Provider] = {"scripted": provider}
        places = Places(providers, 8)
        renewals = an_agent(publisher, providers, places=places, lane=Lane.RENEWAL)
        interactive = an_agent(publisher, providers, places=places)
        await renewals.process([a_renewal(n) for n in range(20)])
        await until(lambda: provider.at_once == 6)
        await interactive.process(requests(5))
        await until(lambda: provider.at_once == 8)
        provider.gate.set()
        await until(lambda: len(publisher.published) == 25)
        assert provider.most_at_once == 8

    async def test_with_one_place_renewals_are_made_too(self):
        publisher, provider = Publisher(), Scripted()
        agent = an_agent(publisher, {"scripted": provider}, concurrency=1, lane=Lane.RENEWAL)
        await agent.process([a_renewal(0)])
        await until(lambda: len(publisher.published) == 1)
