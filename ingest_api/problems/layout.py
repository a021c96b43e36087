"""The frame of ``/problems``. No script, nothing from other hosts; readable at 390 px, in light and dark."""

import hashlib
from base64 import b64encode
from html import escape
from typing import Final

from starlette.responses import HTMLResponse

_STYLE: Final = """
:root{color-scheme:light dark;--text:#1c1c1e;--page:#fff;--soft:#f4f4f6;--link:#0b57d0}
@media(prefers-color-scheme:dark){:root{--text:#ececf0;--page:#1c1c1e;--soft:#2c2c2e;--link:#8ab4f8}}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem;color:var(--text);
background:var(--page);overflow-wrap:anywhere}
a{color:var(--link)}h1{line-height:1.2}h2{margin:2rem 0 .3rem;font-size:1.17rem}
code{font:13px/1.45 ui-monospace,monospace;background:var(--soft);border-radius:4px;padding:.1em .3em}
dl{margin:.5rem 0}dt{margin-top:.6rem}dd{margin:0 0 0 1rem}section:target>h2{background:var(--soft)}
"""
#: A page may load its own style sheet only.
CONTENT_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def html_page(title: str, body: str) -> HTMLResponse:
    """A whole page; ``body`` is HTML."""
    head = (
        f'<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
    )
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head>{head}</head><body><main>{body}</main></body></html>',
        headers={"Content-Security-Policy": CONTENT_POLICY},
    )
