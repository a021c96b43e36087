"""``/docs``: the OpenAPI document as a page."""

import json
from collections.abc import Awaitable, Callable, Iterator
from html import escape
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from ingest_api.openapi.layout import html_page, rendered, rendered_inline
from ingest_api.problems import MEDIA_TYPE

PATH: Final = "/docs"

Json = dict[str, Any]


def docs_page(document: Callable[[], Json]) -> Callable[[Request], Awaitable[Response]]:
    """The handler; ``document`` gives the OpenAPI document."""

    async def handle(_request: Request) -> Response:
        described = document()
        return html_page(described["info"]["title"], "".join(_body(described)))

    return handle


def _body(document: Json) -> Iterator[str]:
    yield f"<h1>{escape(document['info']['title'])}</h1>{rendered(document['info']['description'])}"
    yield '<p><a href="/openapi.json">OpenAPI document</a> · <a href="/problems">problem types</a></p>'
    operations: dict[str, list[tuple[str, str, Json]]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            operations.setdefault(operation["tags"][0], []).append((method, path, operation))
    yield f"<nav><ul>{''.join(map(_entry, (each for group in operations.values() for each in group)))}"
    yield '<li><a href="#schemas">Schemas</a></li></ul></nav>'
    for tag in document["tags"]:
        yield f"<h2>{escape(tag['name'])}</h2><p>{rendered_inline(tag['description'])}</p>"
        for method, path, operation in operations.get(tag["name"], ()):
            yield from _operation(method, path, operation)
    yield '<h2 id="schemas">Schemas</h2>'
    for name, schema in sorted(document["components"]["schemas"].items()):
        yield from _schema(name, schema)


def _entry(operation: tuple[str, str, Json]) -> str:
    return f'<li><a href="#{escape(operation[2]["operationId"])}">{escape(operation[2]["summary"])}</a></li>'


def _operation(method: str, path: str, operation: Json) -> Iterator[str]:
    yield f'<section id="{escape(operation["operationId"])}"><h3>{escape(operation["summary"])}</h3>'
    yield f'<p><span class="method">{method.upper()}</span> <code>{escape(path)}</code></p>'
    yield rendered(operation.get("description", ""))
    if not operation["security"]:
        yield '<p class="dim">Needs no API key.</p>'
    if parameters := operation.get("parameters"):
        yield "<h4>Parameters</h4><dl>"
        for parameter in parameters:
            yield from _member(parameter["name"], parameter["schema"], parameter, where=parameter["in"])
        yield "</dl>"
    for content in operation.get("requestBody", {}).get("content", {}).values():
        yield f"<h4>Body {_type(content['schema'])}</h4>{_example(content)}"
    yield "<h4>Responses</h4><dl>"
    for status, response in operation["responses"].items():
        contents = response.get("content", {})
        yield f"<dt><code>{status}</code></dt><dd>{rendered(response['description'])}"
        if MEDIA_TYPE in contents:
            yield f"<p>{_problems(contents[MEDIA_TYPE])}</p>"
        for media_type, content in contents.items():
            if media_type != MEDIA_TYPE:
                yield f"<p>{_type(content['schema'])}</p>{_example(content)}"
        yield "</dd>"
    yield "</dl></section>"


def _schema(name: str, schema: Json) -> Iterator[str]:
    yield f'<section id="{escape(name)}"><h3><code>{escape(name)}</code></h3>{rendered(schema.get("description", ""))}'
    if "enum" in schema:
        yield f"<p>{', '.join(f'<code>{escape(str(value))}</code>' for value in schema['enum'])}</p>"
    required = schema.get("required", ())
    yield "<dl>"
    for member, of in schema.get("properties", {}).items():
        yield from _member(member, of, {"required": member in required, "description": of.get("description", "")})
    yield "</dl></section>"


def _member(name: str, schema: Json, about: Json, where: str = "") -> Iterator[str]:
    notes = [where, "required" if about.get("required") else "", *_bounds(schema)]
    yield f"<dt><code>{escape(name)}</code> {_type(schema)} "
    yield f'<span class="dim">{escape(", ".join(filter(None, notes)))}</span></dt>'
    yield f"<dd>{rendered(about.get('description', ''))}</dd>"


def _type(schema: Json) -> str:
    """The type in words; a named schema is a link."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(map(_type, schema["anyOf"]))
    if "const" in schema:
        return f"<code>{escape(json.dumps(schema['const'], ensure_ascii=False))}</code>"
    kind = schema.get("type", "any")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    form = schema.get("format")
    return escape(f"{kind} ({form})" if form else str(kind))


def _bounds(schema: Json) -> Iterator[str]:
    least = schema.get("minimum", schema.get("minLength", schema.get("minItems")))
    most = schema.get("maximum", schema.get("maxLength", schema.get("maxItems")))
    unit = " characters" if "maxLength" in schema else " entries" if "maxItems" in schema else ""
    if most is not None:
        yield f"{'up to' if least is None else f'{least} to'} {most}{unit}"
    elif least is not None:
        yield f"at least {least}{unit}"
    if "enum" in schema:
        yield f"one of {', '.join(map(str, schema['enum']))}"
    if "default" in schema and schema["default"] is not None:
        yield f"{json.dumps(schema['default'], ensure_ascii=False)} when left out"


def _problems(content: Json) -> str:
    codes = (escape(code) for code in content.get("examples", {}))
    return " ".join(f'<a href="/problems/{code}"><code>{code}</code></a>' for code in codes)


def _example(content: Json) -> str:
    if "example" not in content:
        return ""
    value = content["example"]
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    return f"<details><summary>Example</summary><pre>{escape(shown)}</pre></details>"
