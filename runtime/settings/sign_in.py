"""Settings of how people sign in to the pages of the admin process."""

import base64
from typing import Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from runtime.settings.base import ComponentSettings

_KEY_BYTES: Final = 32
_LOOPBACK: Final = frozenset(("127.0.0.1", "localhost", "::1"))


class SignInSettings(ComponentSettings):
    """Where the pages are, and the OpenID provider at which people sign in; without one they have passwords."""

    admin_url: str = ""
    """Base URL of the pages, as people reach them: the links that `billing staff` prints begin with it, the OpenID provider
    sends people back to it, and passkeys are bound to its host."""
    admin_oidc_issuer: str = ""
    """URL of the OpenID provider, exactly as the ``issuer`` of its discovery document. Set: people sign in there, and
    passwords are off but for ``admin_break_glass``."""
    admin_oidc_client_id: str = ""
    admin_oidc_client_secret: SecretStr = SecretStr("")
    """Of the client that the provider knows us as; its redirect URI is ``BILLING_ADMIN_URL`` and ``/sign-in/oidc/back``."""
    admin_oidc_scope: str = "openid email"
    """What the provider is asked for, separated by spaces. Some need one more for the claim of the roles."""
    admin_oidc_role_claim: str = ""
    """Claim of the ID token with a person's roles or groups; a point leads into an object: ``realm_access.roles``. A role
    is that of `billing staff`; the claim can lower it for a session, never raise it. Empty: no claim is asked."""
    admin_oidc_roles: dict[str, Literal["viewer", "support", "finance", "admin"]] = Field(default_factory=dict)
    """Value of that claim → role, as JSON. Somebody without any of these values is not let in."""
    admin_break_glass: list[str] = Field(default_factory=list)
    """E-mail addresses, as JSON, of people who may sign in with password and second factor although there is an OpenID
    provider: for when it is down. ``[]``: nobody."""
    admin_secret_keys: list[SecretStr] = Field(default_factory=list)
    """Keys with which the secrets of authenticators are encrypted, as JSON, each 32 random bytes in URL-safe base64. The
    first encrypts, all decrypt. ``[]``: they are stored as they are."""

    @model_validator(mode="after")
    def _keys_are_keys(self) -> Self:
        if not all(_is_key(key.get_secret_value()) for key in self.admin_secret_keys):
            raise ValueError("a key of BILLING_ADMIN_SECRET_KEYS is not 32 bytes in URL-safe base64")
        return self

    @model_validator(mode="after")
    def _oidc_is_complete(self) -> Self:
        if bool(self.admin_oidc_role_claim) != bool(self.admin_oidc_roles):
            raise ValueError("BILLING_ADMIN_OIDC_ROLE_CLAIM and BILLING_ADMIN_OIDC_ROLES are set together")
        if not self.admin_oidc_issuer:
            return self
        if not self.admin_oidc_client_id or not self.admin_oidc_client_secret.get_secret_value():
            raise ValueError("BILLING_ADMIN_OIDC_ISSUER needs BILLING_ADMIN_OIDC_CLIENT_ID and _CLIENT_SECRET")
        if "openid" not in self.admin_oidc_scope.split():
            raise ValueError("BILLING_ADMIN_OIDC_SCOPE has no 'openid'")
        for name, url in (("_OIDC_ISSUER", self.admin_oidc_issuer), ("_URL", self.admin_url)):
            if not is_protected(url):
                raise ValueError(f"BILLING_ADMIN{name} with an OpenID provider is an https URL (http on this machine)")
        return self

    @property
    def secret_keys(self) -> list[str]:
        """The keys, as they are."""
        return [key.get_secret_value() for key in self.admin_secret_keys]

    @property
    def with_password(self) -> frozenset[str] | None:
        """The addresses of those who may have a password; ``None``: everybody."""
        if not self.admin_oidc_issuer:
            return None
        return frozenset(email.strip().lower() for email in self.admin_break_glass)


def is_protected(url: str) -> bool:
    """Whether what is sent to this URL is protected by TLS, or does not leave this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    return host is not None and (parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK))


def _is_key(text: str) -> bool:
    try:
        return len(base64.urlsafe_b64decode(text)) == _KEY_BYTES
    except ValueError:
        return False
