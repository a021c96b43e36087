"""Where the fiscal receipt goes: e-mail addresses and phone numbers, checked by email-validator and phonenumbers.

Values are kept as the client sent them: a normalized one would give a repeated command another fingerprint.
"""

import re
from functools import lru_cache
from typing import Annotated, Final

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from ingest_api.texts import PHONE

MAX_EMAIL: Final = 254
#: RFC 5322, dot-atom-text of at most 64 characters: what nearly all local parts are.
_PLAIN_LOCAL_PART: Final = re.compile(r"(?=.{1,64}$)[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*", re.ASCII)
#: Domains whose check is remembered, some 200 bytes each. Few domains have nearly all addresses, and the check of a
#: domain is most of the cost.
_DOMAINS: Final = 4_096

phonenumbers.PhoneMetadata.load_all()  # at the start, not during the first requests


def _is_email(value: str) -> bool:
    try:
        validate_email(value, check_deliverability=False, allow_quoted_local=True, strict=True)
    except EmailNotValidError:
        return False
    return True


@lru_cache(_DOMAINS)
def _is_mail_domain(domain: str) -> bool:
    return _is_email(f"postmaster@{domain}")


def _email(value: str) -> str:
    local, _, domain = value.rpartition("@")
    is_valid = _is_mail_domain(domain) if _PLAIN_LOCAL_PART.fullmatch(local) else _is_email(value)
    if not is_valid:
        raise PydanticCustomError("email", "Should be an e-mail address")
    return value


def _phone(value: str) -> str:
    try:
        is_possible = phonenumbers.is_possible_number(phonenumbers.parse(value))
    except phonenumbers.NumberParseException:
        is_possible = False
    if not is_possible:
        raise PydanticCustomError("phone", "Should be a phone number that its country has")
    return value


Email = Annotated[str, Field(max_length=MAX_EMAIL, json_schema_extra={"format": "email"}), AfterValidator(_email)]
Phone = Annotated[str, Field(pattern=PHONE), AfterValidator(_phone)]
