"""What to do about a refusal, by its code: the words of the REST API's problems, and those that only people meet."""

from types import MappingProxyType
from typing import Final

from admin.language import N_, gettext
from ingest_api.problems import REFUSALS

_OURS: Final = MappingProxyType(
    {
        "version_changed": N_("The payment has changed since you looked. Read it again, and decide again."),
        "approval_invalid": N_("Ask a colleague to approve it: nobody approves their own request."),
        "refunds_blocked": N_(
            "Find out on the payment's page who blocked refunds and why, and allow them again first."
        ),
        "amendment_impossible": N_("Refund the payment and sell the access anew."),
        "correction_impossible": N_("The detail says what to correct first."),
        "unknown_operation": N_("Choose one of the payment's operations."),
    }
)


def cure_of(code: str) -> str:
    """What to do. Total: a code without words of its own has the general advice."""
    if code in _OURS:
        return gettext(_OURS[code])
    problem = REFUSALS.get(code)
    return gettext("Read the payment and decide again.") if problem is None else gettext(problem.resolution)
