"""A preview of a command is what then happens, and a command for another version changes nothing."""

from datetime import timedelta
from uuid import UUID, uuid4

import msgspec
import pytest

from billing.messages.subscription_commands import CancelSubscription, KeepSubscription, PayNow, When
from billing.subscriptions.decision import snapshot
from billing.subscriptions.preview import preview
from billing.subscriptions.prices import RefundRule
from billing.subscriptions.vocabulary import Status
from tests.support.subscriptions import World, active


@pytest.fixture
def world() -> World:
    return active()


def test_the_preview_is_what_happens(world: World) -> None:
    s = world.subscription
    command = CancelSubscription(s.id, command_id=uuid4(), when=When.NOW, refund=RefundRule.FULL, if_version=s.version)
    said = preview(s, command, world.now)
    assert (said.before, said.refusal, said.refunded) == (snapshot(s), None, 39_900)
    assert said.after.status is Status.ENDED
    decision = world.send(command)
    assert said.after == snapshot(world.subscription)
    assert (said.payments, said.refunded) == (decision.payments, decision.refunded)
    assert [notice.name for notice in said.notices] == ["ended"]


def test_a_payment_that_it_opens_is_in_the_preview(world: World) -> None:
    world.until_charge()
    world.fail("card_expired")
    said = preview(
        world.subscription, PayNow(world.subscription.id, command_id=uuid4(), provider="yookassa"), world.now
    )
    assert (said.charged, said.refunded) == (39_900, 0)


def test_a_charge_that_is_given_up_is_in_the_preview(world: World) -> None:
    world.until_charge()
    s = world.subscription
    said = preview(s, CancelSubscription(s.id, command_id=uuid4(), when=When.NOW, refund=RefundRule.NONE), world.now)
    assert (said.refunded, said.withdrawn, said.back) == (0, 39_900, 39_900)
    said = preview(s, KeepSubscription(s.id, command_id=uuid4()), world.now)
    assert (said.withdrawn, said.back) == (0, 0)


def test_a_command_for_another_version_is_refused(world: World) -> None:
    s = world.subscription
    command = CancelSubscription(s.id, command_id=uuid4(), if_version=s.version - 1)
    decision = world.send(command)
    assert decision.refusal is not None
    assert decision.refusal.code == "version_changed"
    assert world.subscription == s


def test_a_command_that_was_carried_out_is_a_repeat_at_whatever_version(world: World) -> None:
    s = world.subscription
    command = CancelSubscription(s.id, command_id=UUID(int=1), if_version=s.version)
    world.send(command)
    after = world.subscription
    world.pass_time(timedelta(seconds=1))
    assert world.send(command).refusal is None
    assert world.subscription == after
    kept = KeepSubscription(s.id, command_id=uuid4(), if_version=after.version, operator="ann", reason="asked")
    assert world.send(msgspec.json.decode(msgspec.json.encode(kept), type=KeepSubscription)).refusal is None
    assert world.subscription.cancel is None
