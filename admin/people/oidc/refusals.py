"""Why nobody was signed in by the OpenID provider."""

from enum import StrEnum


class Why(StrEnum):
    """On the trail, and what the page explains."""

    STATE = "state"
    """The browser did not leave from here, or left too long ago."""
    DECLINED = "declined"
    """The provider sent the person back without a code."""
    CODE = "code"
    """The provider does not take the code: it was used, or is too old."""
    TOKEN = "token"  # noqa: S105 - its name
    """The ID token is not one for us, from this provider, of now."""
    EMAIL = "email"
    """A subject that is new here, without a verified address."""
    UNKNOWN = "unknown"
    """The address is not on the staff."""
    SUBJECT = "subject"
    """The address belongs to somebody who is linked to another subject."""
    SUSPENDED = "suspended"
    ROLE = "role"
    """The provider's claim has none of the roles that are mapped."""
    OTHER_PERSON = "other_person"
    """Somebody else confirmed than the session's owner."""
    NOT_AGAIN = "not_again"
    """The provider does not say that the person has signed in there anew."""


class NotIdentified(Exception):
    """The person is not signed in. ``detail`` is for the log."""

    def __init__(self, why: Why, detail: str = "") -> None:
        super().__init__(f"{why}: {detail}" if detail else why)
        self.why = why
        self.detail = detail


class ProviderFailed(Exception):
    """The provider does not answer, or not as OpenID Connect has it: nobody can sign in there now."""
