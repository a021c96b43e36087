"""Breaking changes between two versions of the contract."""

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]


def breaking(old: Json, new: Json) -> list[str]:
    """Describe each breaking change between two AsyncAPI documents.

    A field that is removed, retyped or no longer required breaks readers; a newly required one breaks writers; a
    removed message or channel breaks both. Such a change needs a message type with a new version, beside the old one.
    New messages, new optional fields and new values of an enumeration are compatible: readers must ignore what they do
    not know.
    """
    found = [f"channel {name} is removed" for name in old["channels"] if name not in new["channels"]]
    published, current = old["components"]["messages"], new["components"]["messages"]
    for name, message in published.items():
        if name not in current:
            found.append(f"message {name} is removed")
            continue
        for part in ("headers", "payload"):
            found += _Comparison(old, new).differences(name, message.get(part, {}), current[name].get(part, {}))
    return list(dict.fromkeys(found))


class _Comparison:
    """Compares two schemas, each with the document that its references point into."""

    def __init__(self, old: Json, new: Json) -> None:
        self._old = old
        self._new = new
        self._seen: set[tuple[str, str]] = set()

    def differences(self, path: str, old: Json, new: Json) -> Iterator[str]:
        pair = (old.get("$ref", ""), new.get("$ref", ""))
        if all(pair):
            if pair in self._seen:
                return
            self._seen.add(pair)
        old, new = _resolved(self._old, old), _resolved(self._new, new)
        if (was := _type(self._old, old)) != (now := _type(self._new, new)):
            yield f"{path}: retyped from {was} to {now}"
            return
        removed = [value for value in old.get("enum", ()) if value not in new.get("enum", ())]
        if removed:
            yield f"{path}: no longer one of {removed}"
        yield from self._fields(path, old, new)
        for word in ("items", "additionalProperties"):
            if isinstance(old.get(word), dict) and isinstance(new.get(word), dict):
                yield from self.differences(f"{path}[]", old[word], new[word])
        for word in ("allOf", "anyOf"):
            for before, after in zip(old.get(word, ()), new.get(word, ()), strict=False):
                yield from self.differences(path, before, after)

    def _fields(self, path: str, old: Json, new: Json) -> Iterator[str]:
        properties = new.get("properties", {})
        for name, schema in old.get("properties", {}).items():
            if name not in properties:
                yield f"{path}.{name}: removed"
            else:
                yield from self.differences(f"{path}.{name}", schema, properties[name])
        required, now_required = set(old.get("required", ())), set(new.get("required", ()))
        yield from (f"{path}.{name}: newly required" for name in sorted(now_required - required))
        yield from (
            f"{path}.{name}: no longer required" for name in sorted((required - now_required) & properties.keys())
        )


def _resolved(document: Json, schema: Json) -> Json:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    return {**document["components"]["schemas"][reference.rsplit("/", 1)[1]], **_without_ref(schema)}


def _without_ref(schema: Json) -> Json:
    return {key: value for key, value in schema.items() if key != "$ref"}


def _type(document: Json, schema: Json) -> str:
    """The type in words, with alternatives; references are resolved."""
    if "anyOf" in schema:
        return " or ".join(sorted(_type(document, _resolved(document, part)) for part in schema["anyOf"]))
    if "const" in schema:
        return f"always {schema['const']!r}"
    name = "enum" if "enum" in schema else str(schema.get("type", "anything"))
    return f"{name} ({schema['format']})" if "format" in schema else name
