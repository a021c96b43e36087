"""A person's command to a subscription is carried out with an approval that is another person's."""

from datetime import timedelta
from uuid import UUID, uuid4

import msgspec
import pytest

from billing.messages import Approval
from billing.messages.subscription_commands import CancelSubscription, ExtendPeriod, SubscriptionCommand, When
from billing.subscriptions.prices import RefundRule
from billing.subscriptions.vocabulary import Status
from tests.support.subscriptions import NOW, World, active

ANNA, BORIS = "anna@cinema.example", "boris@cinema.example"


@pytest.fixture
def world() -> World:
    return active()


def by(name: str) -> Approval:
    return Approval(UUID(int=3), name, NOW)


def an_end(world: World, by: str = f"operator:{ANNA}", approval: Approval | None = None) -> CancelSubscription:
    return CancelSubscription(
        world.subscription.id, command_id=uuid4(), when=When.NOW, refund=RefundRule.FULL, by=by, approval=approval
    )


def an_extension(world: World, approval: Approval) -> ExtendPeriod:
    assert world.subscription.period is not None
    until = world.subscription.period.end_at + timedelta(days=7)
    return ExtendPeriod(
        world.subscription.id, command_id=uuid4(), until=until, operator=ANNA, reason="an outage", approval=approval
    )


def refused(world: World, command: SubscriptionCommand) -> str | None:
    refusal = world.send(command).refusal
    return None if refusal is None else refusal.code


def test_nobody_approves_their_own_command(world: World) -> None:
    before = world.subscription
    assert refused(world, an_end(world, approval=by(ANNA))) == "approval_invalid"
    assert refused(world, an_extension(world, by(ANNA))) == "approval_invalid"
    assert world.subscription == before


@pytest.mark.parametrize("who", ["customer", f"client:{ANNA}"])
def test_an_approval_without_the_name_of_a_person_who_asks_is_refused(world: World, who: str) -> None:
    assert refused(world, an_end(world, who, by(BORIS))) == "approval_invalid"
    assert world.subscription.status is Status.ACTIVE


def test_what_another_person_approved_is_carried_out(world: World) -> None:
    assert refused(world, an_extension(world, by(BORIS))) is None
    assert refused(world, an_end(world, approval=by(BORIS))) is None
    assert world.subscription.status is Status.ENDED


def test_a_command_without_an_approval_is_encoded_as_ever(world: World) -> None:
    assert "approval" not in msgspec.json.decode(msgspec.json.encode(an_end(world)))
