"""What texts of clients may hold, as patterns that are part of the API's schemas, and what each pattern means."""

from typing import Final

#: Controls (C0, DEL, C1), overrides and isolates of the writing direction, and what Unicode calls no characters.
_FORBIDDEN: Final = r"\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef\ufffe\uffff"
#: Spaces, and what shows nothing: joiners, fillers, marks of direction. A text of these alone prints an empty line.
_BLANK: Final = r"\u0020\u00a0\u00ad\u034f\u061c\u115f\u1160\u1680\u180e\u2000-\u200f\u2028\u2029\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0"

#: A text that may be blank or empty.
PRINTABLE: Final = rf"^[^{_FORBIDDEN}]*$"
#: A text for people.
VISIBLE: Final = rf"^[^{_FORBIDDEN}]*[^{_FORBIDDEN}{_BLANK}][^{_FORBIDDEN}]*$"
#: An id of the client's own.
ASCII_ID: Final = r"^[\x21-\x7e]+$"
#: E.164, which leaves one spelling for a number.
PHONE: Final = r"^\+[1-9][0-9]{6,14}$"
CURRENCY: Final = r"^[A-Z]{3}$"
COUNTRY: Final = r"^[A-Z]{2}$"
METHOD: Final = r"^[a-z][a-z0-9_-]{0,31}$"
#: A plan's id is part of URLs.
PLAN_ID: Final = r"^[a-z0-9][a-z0-9._-]{0,63}$"

#: Pattern → what is wrong with a text that does not match it.
MEANINGS: Final = {
    PRINTABLE: "Should have no control characters",
    VISIBLE: "Should have a visible character, and no control characters",
    ASCII_ID: "Should be ASCII characters without spaces",
    PHONE: "Should be a phone number in E.164 form, like +79001234567",
    CURRENCY: "Should be three capital letters (ISO 4217)",
    COUNTRY: "Should be two capital letters (ISO 3166-1 alpha-2)",
    METHOD: "Should be lower-case letters, digits, dashes and underscores, like sbp",
    PLAN_ID: "Should be at most 64 lower-case letters, digits, dots, dashes and underscores, and begin with a letter or digit",
}
