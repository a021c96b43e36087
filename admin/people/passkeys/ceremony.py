"""What a browser is asked for, and what its answer proves (WebAuthn Level 2, 7.1 and 7.2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

import webauthn
from webauthn.helpers import parse_authentication_credential_json, parse_client_data_json
from webauthn.helpers import parse_registration_credential_json as parse_registration
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticationCredential,
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    RegistrationCredential,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from admin.people.authenticator import ISSUER
from runtime.settings.sign_in import is_protected
from storage.staff.passkeys import Passkey

#: How long a person may take to answer.
ANSWER_WITHIN: Final = timedelta(minutes=5)
#: Bytes of an authenticator's name for a passkey (WebAuthn Level 2, 4).
ID_MAX: Final = 1023
_TIMEOUT_MS: Final = int(ANSWER_WITHIN.total_seconds()) * 1000
#: What the library raises for answers that are none: its own errors, and those of base64, JSON and CBOR.
_UNREADABLE: Final = (WebAuthnException, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)


class PasskeyRefused(Exception):
    """The answer proves nothing. ``why`` is on the trail: ``answer``, ``challenge``, ``passkey``, ``signature``,
    ``sign_count``."""

    def __init__(self, why: str, detail: str = "") -> None:
        super().__init__(f"{why}: {detail}" if detail else why)
        self.why = why


@dataclass(frozen=True)
class Site:
    """To whom passkeys are bound: the host of the pages, and their origin."""

    host: str
    origin: str


def site_of(url: str) -> Site | None:
    """The site of the pages at this URL; ``None`` where browsers have no passkeys: without TLS, or without a host name."""
    parts = urlsplit(url)
    if not is_protected(url) or parts.hostname is None or _is_address(parts.hostname):
        return None
    return Site(parts.hostname, f"{parts.scheme}://{parts.netloc}")


def creation(site: Site, challenge: bytes, id: UUID, email: str, name: str, existing: Sequence[Passkey]) -> str:
    """What the browser is asked for a new passkey, as JSON."""
    options = webauthn.generate_registration_options(
        rp_id=site.host, rp_name=ISSUER, user_id=id.bytes, user_name=email, user_display_name=name,
        challenge=challenge, timeout=_TIMEOUT_MS, exclude_credentials=_named(existing),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
    )  # fmt: skip
    return webauthn.options_to_json(options)


def request(site: Site, challenge: bytes, existing: Sequence[Passkey]) -> str:
    """What the browser is asked for one of these passkeys, as JSON."""
    options = webauthn.generate_authentication_options(
        rp_id=site.host, challenge=challenge, timeout=_TIMEOUT_MS, allow_credentials=_named(existing),
        user_verification=UserVerificationRequirement.REQUIRED,
    )  # fmt: skip
    return webauthn.options_to_json(options)


@dataclass(frozen=True)
class Created:
    """A new passkey."""

    credential_id: bytes
    public_key: bytes
    sign_count: int


class Creation:
    """The browser's answer with a new passkey. Raises :class:`PasskeyRefused` for what is none."""

    def __init__(self, answer: str) -> None:
        try:
            self._credential: RegistrationCredential = parse_registration(answer)
            self.challenge = parse_client_data_json(self._credential.response.client_data_json).challenge
        except _UNREADABLE as error:
            raise PasskeyRefused("answer", repr(error)) from error

    def verified(self, site: Site) -> Created:
        """The passkey; the challenge was ours, and is used up. Raises :class:`PasskeyRefused`."""
        try:
            found = webauthn.verify_registration_response(
                credential=self._credential, expected_challenge=self.challenge, expected_rp_id=site.host,
                expected_origin=site.origin, require_user_verification=True,
            )  # fmt: skip
        except _UNREADABLE as error:
            raise PasskeyRefused("signature", str(error)) from error
        if len(found.credential_id) > ID_MAX:
            raise PasskeyRefused("signature", "its id is too long")
        return Created(found.credential_id, found.credential_public_key, found.sign_count)


class Assertion:
    """The browser's answer with a challenge that a passkey has signed. Raises :class:`PasskeyRefused` for what is none."""

    def __init__(self, answer: str) -> None:
        try:
            self._credential: AuthenticationCredential = parse_authentication_credential_json(answer)
            self.challenge = parse_client_data_json(self._credential.response.client_data_json).challenge
        except _UNREADABLE as error:
            raise PasskeyRefused("answer", repr(error)) from error

    def verified(self, site: Site, existing: Sequence[Passkey]) -> tuple[Passkey, int]:
        """Which of the person's passkeys has signed, and its count; the challenge was ours, and is used up. Raises
        :class:`PasskeyRefused`."""
        passkey = next((one for one in existing if one.credential_id == self._credential.raw_id), None)
        if passkey is None:
            raise PasskeyRefused("passkey", "the person has no such one")
        try:
            found = webauthn.verify_authentication_response(
                credential=self._credential, expected_challenge=self.challenge, expected_rp_id=site.host,
                expected_origin=site.origin, credential_public_key=passkey.public_key, credential_current_sign_count=0,
                require_user_verification=True,
            )  # fmt: skip
        except _UNREADABLE as error:
            raise PasskeyRefused("signature", str(error)) from error
        # After the signature, so that a refusal of this kind is a fact: two devices have the key. 0: it does not count.
        if (found.new_sign_count or passkey.sign_count) and found.new_sign_count <= passkey.sign_count:
            raise PasskeyRefused("sign_count", f"{found.new_sign_count} after {passkey.sign_count}")
        return passkey, found.new_sign_count


def _named(existing: Sequence[Passkey]) -> list[PublicKeyCredentialDescriptor]:
    return [PublicKeyCredentialDescriptor(id=one.credential_id) for one in existing]


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
