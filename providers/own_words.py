"""A provider's own code and words for why something did not succeed, fit to be kept and shown."""

import re
from typing import Final

from billing.messages import ProviderReason
from runtime.logging.redaction import redact_text

#: Characters.
CODE_LIMIT: Final = 64
MESSAGE_LIMIT: Final = 300
#: White space, control characters and those that change the direction of a text.
_NOT_SHOWN: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]+")
_CUT: Final = "…"


def provider_reason(code: str | None, *words: str | None) -> ProviderReason | None:
    """``code`` and all of the ``words``, masked, on one line and bounded; ``None`` where the provider said nothing."""
    message = _shown(". ".join(word.strip().rstrip(".") for word in words if word and word.strip()), MESSAGE_LIMIT)
    shown = _shown(code or "", CODE_LIMIT)
    return ProviderReason(shown, message) if shown or message else None


def _shown(text: str, limit: int) -> str | None:
    text = redact_text(_NOT_SHOWN.sub(" ", text).strip())
    return (text if len(text) <= limit else text[: limit - len(_CUT)] + _CUT) or None
