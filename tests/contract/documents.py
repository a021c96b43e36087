"""Requests and answers against published OpenAPI 3.0 documents."""

import re
from typing import Any

from jsonschema import Draft202012Validator


def draft(node: Any, *, is_part: bool = False) -> Any:
    """OpenAPI 3.0's dialect in JSON Schema's: ``nullable``; and closed, so that a field the document does not have,
    a misspelt one say, is found."""
    if isinstance(node, list):
        return [draft(item) for item in node]
    if not isinstance(node, dict):
        return node
    turned = {
        key: [draft(part, is_part=True) for part in value] if key == "allOf" else draft(value)
        for key, value in node.items()
        if key not in ("nullable", "example", "format")
    }
    if not is_part and (isinstance(node.get("properties"), dict) or "allOf" in node):
        turned["unevaluatedProperties"] = False
    if node.get("nullable") and isinstance(turned.get("type"), str):
        turned["type"] = [turned["type"], "null"]
    return turned


def check(schema: Any, value: Any, whole: dict[str, Any]) -> None:
    rooted = {**draft(schema), "components": draft(whole.get("components", {}))}
    errors = [f"{error.json_path}: {error.message}" for error in Draft202012Validator(rooted).iter_errors(value)]
    assert not errors, errors


def operation(whole: dict[str, Any], method: str, path: str) -> dict[str, Any]:
    for template, methods in whole["paths"].items():
        if method in methods and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            found: dict[str, Any] = methods[method]
            return found
    raise AssertionError(f"the document has no {method} {path}")
