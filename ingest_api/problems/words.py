"""What is wrong with a field, in words: pydantic's messages name Python's types and show regular expressions.

The value that was sent is never repeated: it may be a secret.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ingest_api import texts

#: Faults whose words are always the same.
_WORDS: Final = {
    "missing": "Is required",
    "extra_forbidden": "Is not a field of this request",
    "string_type": "Should be a text",
    "string_unicode": "Should be a text in UTF-8",
    "int_type": "Should be an integer",
    "int_parsing": "Should be an integer",
    "int_parsing_size": "Should be an integer, and not as large",
    "int_from_float": "Should be an integer",
    "bool_type": "Should be true or false",
    "tuple_type": "Should be a list",
    "list_type": "Should be a list",
    "dict_type": "Should be an object",
    "model_type": "Should be an object",
    "model_attributes_type": "Should be an object",
    "uuid_type": "Should be a UUID",
    "uuid_parsing": "Should be a UUID",
}
#: Faults that have a bound: its name in pydantic's context, and the words before and after it.
_BOUNDS: Final = {
    "greater_than": ("gt", "Should be more than {}"),
    "greater_than_equal": ("ge", "Should be at least {}"),
    "less_than": ("lt", "Should be less than {}"),
    "less_than_equal": ("le", "Should be at most {}"),
    "string_too_short": ("min_length", "Should have at least {} character"),
    "string_too_long": ("max_length", "Should have at most {} character"),
    "too_short": ("min_length", "Should have at least {} entr"),
    "too_long": ("max_length", "Should have at most {} entr"),
}
_PLURALS: Final = {"character": ("", "s"), "entr": ("y", "ies")}


def in_words(fault: Mapping[str, Any]) -> str:
    """The words for one of pydantic's faults; a validator of ours has its own."""
    kind, context = fault["type"], fault.get("ctx", {})
    if kind in _WORDS:
        return _WORDS[kind]
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        bound = context[name]
        one, many = _PLURALS.get(words.rpartition(" ")[2], ("", ""))
        return words.format(bound) + (one if bound == 1 else many)
    if kind in ("enum", "literal_error"):
        return f"Should be one of {str(context['expected']).replace(' or ', ', ').replace(chr(39), '')}"
    if kind == "string_pattern_mismatch":
        return texts.MEANINGS.get(context["pattern"], "Has characters that are not allowed here")
    return str(fault["msg"])


def told_once(faults: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """``faults`` without those that only follow from others: pydantic counts the valid entries of a list, so that a
    list whose only entry is not valid would be too short as well."""
    places = [tuple(fault["loc"]) for fault in faults]

    def follows(fault: Mapping[str, Any], place: tuple[Any, ...]) -> bool:
        inner = (other for other in places if len(other) > len(place) and other[: len(place)] == place)
        return fault["type"] == "too_short" and any(inner)

    return [fault for fault, place in zip(faults, places, strict=True) if not follows(fault, place)]
