"""``/docs``: the OpenAPI document as a reference for people, drawn by Scalar. Nothing comes from another host."""

from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

#: Scalar writes its style sheets and the sizes of its parts into the page; scripts come from files of ours only.
CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    "img-src 'self' data:; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_PAGE: Final = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="color-scheme" content="light dark">
<title>Cinema billing: API reference</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/static/reference.css"></head><body>
<noscript><p>This reference needs JavaScript. The same is in the <a href="/openapi.json">OpenAPI document</a>; the
<a href="/problems">problem types</a> are plain pages.</p></noscript>
<div id="reference"></div>
<script src="/docs/static/scalar.js"></script><script src="/docs/static/reference.js"></script></body></html>"""


async def _page(_request: Request) -> HTMLResponse:
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": CONTENT_POLICY})


#: The page and its files.
ROUTES: Final = (
    Route("/docs", _page),
    Mount("/docs/static", StaticFiles(directory=Path(__file__).parent / "static")),
)
