"""The conditions of a person's command: the subscription is still the one that they saw, and its approval is another
person's."""

from typing import Final

from billing.messages import NOT_OF_ANOTHER
from billing.messages.subscription_commands import CancelSubscription, SubscriptionCommand
from billing.subscriptions.model import Subscription

_OPERATOR: Final = "operator:"


def guard_refusal(command: SubscriptionCommand, subscription: Subscription) -> tuple[str, str] | None:
    """Code and detail of why a new command is not carried out as it stands; ``None`` where its conditions hold."""
    approval = command.approval
    if approval is not None and not approval.is_of_another(_operator(command)):
        return "approval_invalid", NOT_OF_ANOTHER
    if command.if_version in (None, subscription.version):
        return None
    detail = f"the subscription is at version {subscription.version}, the command is for {command.if_version}"
    return "version_changed", detail


def _operator(command: SubscriptionCommand) -> str | None:
    """The person at work who asks; ``None`` where nobody at work does."""
    if isinstance(command, CancelSubscription):
        return command.by.removeprefix(_OPERATOR) if command.by.startswith(_OPERATOR) else None
    name: str | None = getattr(command, "operator", None)
    return name
