"""``/docs``: the OpenAPI document as a page. It has no script and loads nothing from other hosts (ADR 0013)."""

import hashlib
import json
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator
from html import escape
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

PATH: Final = "/docs"

_STYLE: Final = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c1c1e}
h2{margin-top:3rem;border-bottom:1px solid #ccc}summary{cursor:pointer;padding:.3rem 0}
code,pre{font:13px/1.45 ui-monospace,monospace;background:#f4f4f6;border-radius:4px}code{padding:.1em .3em}
pre{padding:.8rem;overflow:auto}table{border-collapse:collapse;width:100%}
td,th{text-align:left;vertical-align:top;padding:.25rem .6rem .25rem 0;border-bottom:1px solid #eee}
.method{font-weight:700;display:inline-block;width:4rem}
@media(prefers-color-scheme:dark){body{background:#1c1c1e;color:#eee}code,pre{background:#2c2c2e}a{color:#8ab4f8}}
"""
#: The page may load its own style sheet only.
CONTENT_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'; "
    "frame-ancestors 'none'"
)


def docs_page(document: Callable[[], dict[str, Any]]) -> Callable[[Request], Awaitable[Response]]:
    """The handler; ``document`` gives the OpenAPI document."""

    async def handle(_request: Request) -> Response:
        return Response(page(document()), media_type="text/html")

    return handle


def page(document: dict[str, Any]) -> str:
    """The document as HTML."""
    return "".join(_page(document))


def _page(document: dict[str, Any]) -> Iterator[str]:
    title = escape(document["info"]["title"])
    yield f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    yield f"<style>{_STYLE}</style></head><body><h1>{title}</h1>"
    yield f"<pre>{escape(document['info']['description'])}</pre>"
    yield '<p><a href="/openapi.json">OpenAPI document</a> · <a href="/problems">problem types</a></p>'
    tags: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            tags.setdefault(operation["tags"][0], []).append("".join(_operation(path, method, operation)))
    for tag, operations in tags.items():
        yield f"<h2>{escape(tag)}</h2>{''.join(operations)}"
    yield "<h2>Schemas</h2>"
    for name, schema in sorted(document["components"]["schemas"].items()):
        yield f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary>{_json(schema)}</details>'
    yield "</body></html>"


def _operation(path: str, method: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f'<details id="{escape(operation["operationId"])}"><summary><span class="method">{method.upper()}</span>'
    yield f"<code>{escape(path)}</code> {escape(operation.get('summary', ''))}</summary>"
    yield f"<p>{escape(operation.get('description', ''))}</p>"
    if parameters := operation.get("parameters"):
        yield "<table><tr><th>parameter</th><th>in</th><th></th></tr>"
        for parameter in parameters:
            needed = " (required)" if parameter.get("required") else ""
            yield f"<tr><td><code>{escape(parameter['name'])}</code></td><td>{escape(parameter['in'])}{needed}</td>"
            yield f"<td>{escape(parameter.get('description', ''))}</td></tr>"
        yield "</table>"
    for content in operation.get("requestBody", {}).get("content", {}).values():
        yield f"<h4>Body {_named(content)}</h4>{_example(content)}"
    yield "<h4>Responses</h4><table>"
    for status, response in operation["responses"].items():
        yield f"<tr><td><code>{status}</code></td><td>{escape(response['description'])}"
        for content in response.get("content", {}).values():
            yield f" {_named(content)}{_example(content)}"
        yield "</td></tr>"
    yield "</table></details>"


def _named(content: dict[str, Any]) -> str:
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    return f'<a href="#{escape(name)}">{escape(name)}</a>' if name else ""


def _example(content: dict[str, Any]) -> str:
    if "example" in content:
        return _json(content["example"])
    named = content.get("examples", {})
    return " ".join(f'<a href="/problems/{escape(code)}"><code>{escape(code)}</code></a>' for code in named)


def _json(value: Any) -> str:
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    return f"<pre>{escape(shown)}</pre>"
