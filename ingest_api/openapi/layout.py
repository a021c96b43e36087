"""The frame of the pages that the API itself shows: ``/docs`` and ``/problems``. No script, nothing from other hosts
(ADR 0013); readable at 390 px, in light and dark."""

import hashlib
from base64 import b64encode
from html import escape
from typing import Final

from markdown_it import MarkdownIt
from starlette.responses import HTMLResponse

_STYLE: Final = """
:root{color-scheme:light dark;--text:#1c1c1e;--page:#fff;--soft:#f4f4f6;--line:#d0d0d6;--link:#0b57d0;--dim:#5f6368}
@media(prefers-color-scheme:dark){:root{--text:#ececf0;--page:#1c1c1e;--soft:#2c2c2e;--line:#48484c;--link:#8ab4f8;
--dim:#a8abb0}}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem;color:var(--text);
background:var(--page);overflow-wrap:anywhere}
a{color:var(--link)}h1{line-height:1.2}h2{margin-top:3rem;border-bottom:1px solid var(--line)}h3{margin:2rem 0 .3rem}
code,pre{font:13px/1.45 ui-monospace,monospace;background:var(--soft);border-radius:4px}code{padding:.1em .3em}
pre{padding:.8rem;overflow:auto}pre code{padding:0}summary{cursor:pointer;padding:.3rem 0;color:var(--link)}
dl{margin:.5rem 0}dt{margin-top:.6rem}dd{margin:0 0 0 1rem}dd p{margin:.2rem 0}
.dim{color:var(--dim);font-size:.9rem}.method{font-weight:700}nav ul{padding-left:1.2rem;columns:18rem}
section:target>h3,dt:target{background:var(--soft)}
"""
#: A page may load its own style sheet only.
CONTENT_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_markdown: Final = MarkdownIt("commonmark", {"html": False})


def html_page(title: str, body: str) -> HTMLResponse:
    """A whole page; ``body`` is HTML."""
    head = (
        f'<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
    )
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>',
        headers={"Content-Security-Policy": CONTENT_POLICY},
    )


def rendered(markdown: str) -> str:
    """Markdown as HTML; HTML in it is shown, not used."""
    return str(_markdown.render(markdown))


def rendered_inline(markdown: str) -> str:
    """One paragraph of Markdown, without the paragraph."""
    return str(_markdown.renderInline(markdown))
