"""The sandbox' pages for people: a payment page, where it leads back to, and a list of orders."""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from typing import Final
from urllib.parse import urlsplit

from billing.money import to_decimal_string
from providers.sandbox.cards import CARDS
from providers.sandbox.imitation import Line, is_payable
from providers.sandbox.ledger import Order

_SYMBOLS: Final = {"RUB": "₽"}
#: Order's status → what a customer reads.
_SAYINGS: Final = {
    "AUTHORIZED": "Paid. The shop takes the money when it ships.",
    "CAPTURED": "Paid. Thank you!",
    "PARTIALLY_REFUNDED": "Paid, and refunded in part.",
    "REFUNDED": "Refunded: the money is on its way back to you.",
    "VOIDED": "Cancelled: the money was never taken.",
    "FAILED": "Not paid: the bank declined, or the shop closed the order.",
    "PENDING": "The time to pay is over.",
}
#: Names that never lead anywhere (RFC 2606), as examples have them.
_NOWHERE: Final = (".example", ".invalid", ".test", "example.com", "example.net", "example.org")
_STYLE = """
:root{color-scheme:light dark;--card:#fff;--ink:#1c1c1e;--dim:#5f6672;--back:#f3f4f6;--line:#e5e7eb;--good:#15803d;
--bad:#b91c1c;--link:#0b57d0}
@media(prefers-color-scheme:dark){:root{--card:#1f2937;--ink:#f3f4f6;--dim:#a3aab5;--back:#111827;--line:#374151;
--good:#4ade80;--bad:#f87171;--link:#8ab4f8}}
*{box-sizing:border-box}body{margin:0;font:16px/1.5 system-ui,sans-serif;background:var(--back);color:var(--ink);
overflow-wrap:anywhere}
main{max-width:min(28rem,100% - 2rem);margin:3vh auto;padding:1.5rem;background:var(--card);border-radius:1rem;
box-shadow:0 10px 30px #0002}main.wide{max-width:min(70rem,100% - 2rem)}h1{margin:0 0 .25rem;font-size:1.25rem}p{color:var(--dim)}
a{color:var(--link)}
ul{list-style:none;padding:0;margin:1.25rem 0}li{display:flex;justify-content:space-between;gap:1rem;padding:.4rem 0;
border-bottom:1px solid var(--line)}.sum{font-size:1.5rem;font-weight:700}button{font:inherit;border:0;
border-radius:.6rem;padding:.7rem 1rem;cursor:pointer;width:100%;margin-top:.6rem;background:var(--line);
color:var(--ink)}button.pay{background:#15803d;color:#fff;font-weight:600}
fieldset{border:1px solid var(--line);border-radius:.6rem;margin:1rem 0;padding:.5rem .8rem}
label{display:flex;gap:.6rem;padding:.25rem 0;align-items:baseline}label code{white-space:nowrap}
label small{color:var(--dim)}
table{width:100%;border-collapse:collapse}
td,th{text-align:left;padding:.45rem .5rem;border-bottom:1px solid var(--line);font-size:.9rem}
.num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}td form{display:inline}
td button{width:auto;margin:0 .2rem 0 0;padding:.3rem .7rem}
.CAPTURED,.AUTHORIZED,.PARTIALLY_REFUNDED{color:var(--good)}.FAILED,.VOIDED{color:var(--bad)}
@media(max-width:48rem){table,tbody,tr,td{display:block}tr.head{display:none}tr{padding:.6rem 0;
border-bottom:1px solid var(--line)}td{display:flex;justify-content:space-between;gap:1rem;border:0;padding:.15rem 0;
text-align:right}td:empty{display:none}td::before{content:attr(data-is);color:var(--dim);text-align:left}}
"""


def _page(title: str, body: str, wide: str = "") -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main class='{wide}'>{body}</main></body></html>"
    )


def payment(order: Order, lines: Sequence[Line]) -> str:
    """The page a customer pays on."""
    shown = "".join(
        f"<li><span>{escape(line.title)}</span><span class=num>{_money(line.amount, order.currency)}</span></li>"
        for line in lines
    )
    amount = _money(order.amount, order.currency)
    head = (
        f"<h1>Cinema</h1><p>Sandbox of {escape(order.provider)}: no real money moves here.</p><ul>{shown}</ul>"
        f"<div class=sum>{amount}</div>"
    )
    if not is_payable(order):
        return _page("Payment", head + _outcome(order))
    cards = "".join(
        f'<label><input type=radio name=card value="{card.number}"{" checked" if not card.codes else ""}>'
        f"<span><code>{card.number}</code> <small>{escape(card.answer)}</small></span></label>"
        for card in CARDS
    )
    return _page(
        "Payment",
        f"{head}<form method=post><fieldset><legend>Test card</legend>{cards}</fieldset>"
        f"<button class=pay name=outcome value=pay>Pay {amount}</button>"
        "<button name=outcome value=walk_away>Walk away</button></form>",
    )


def landing(order: Order) -> str:
    """Where a customer lands whose shop is an example only."""
    return _page("Back at the shop", f"<h1>Back at the shop</h1>{_outcome(order)}")


def missing() -> str:
    """There is no such order."""
    return _page(
        "No such order",
        '<h1>No such order</h1><p>The sandbox has none with this id.</p><p><a href="/">All orders</a></p>',
    )


def leads_nowhere(url: str) -> bool:
    """Whether a return URL is an example, which no browser can open."""
    host = urlsplit(url).hostname or ""
    return host.endswith(_NOWHERE)


def back_to_shop(order: Order) -> str | None:
    """The return URL for the order as it is now."""
    paid = order.status in ("CAPTURED", "AUTHORIZED", "PARTIALLY_REFUNDED", "REFUNDED")
    return order.redirect.get("onSuccess" if paid else "onError")


def _outcome(order: Order) -> str:
    state = order.status.lower().replace("_", " ") if order.status != "PENDING" else "expired"
    said = (
        f"<p class={order.status}>{_SAYINGS.get(order.status, '')}</p><p>Status of the order: <code>{state}</code></p>"
    )
    if (url := back_to_shop(order)) is None:
        return said
    if leads_nowhere(url):
        return f"{said}<p>The shop's return URL is an example: <code>{escape(url)}</code></p>{_ALL}"
    return f'{said}<p><a href="{escape(url)}">Back to the shop</a></p>{_ALL}'


_ALL: Final = '<p><a href="/">All orders of the sandbox</a></p>'


def _money(amount: int, currency: str) -> str:
    return f"{to_decimal_string(amount, currency)} {_SYMBOLS.get(currency, escape(currency))}"


def orders(found: Sequence[Order]) -> str:
    """The newest orders, for manual tests."""
    names = ("at (UTC)", "provider", "order", "amount", "status", "taken", "back", "outcome")
    rows = "".join(_row(order, names) for order in found)
    head = "".join(f"<th{' class=num' if name in ('amount', 'taken', 'back') else ''}>{name}</th>" for name in names)
    table = f"<table><tr class=head>{head}</tr>{rows}</table>" if rows else "<p>No orders yet.</p>"
    return _page("Provider sandbox", f"<h1>Provider sandbox</h1><p>No real money moves here.</p>{table}", "wide")


def _row(order: Order, names: Sequence[str]) -> str:
    id = escape(order.order_id)
    buttons = ""
    if is_payable(order):
        buttons = (
            f"<form method=post action='/pay/{id}'><button name=outcome value=pay>Pay</button>"
            "<button name=outcome value=decline>Decline</button></form>"
        )
    # The end of an id: what comes before it is the same for all orders of some providers.
    cells = (
        datetime.fromtimestamp(order.created, UTC).strftime("%H:%M:%S"),
        escape(order.provider),
        f"<a href='/pay/{id}' title='{id}'>…{id[-8:]}</a>",
        _money(order.amount, order.currency),
        f"<span class={order.status}>{order.status}</span>",
        _money(order.captured, order.currency),
        _money(order.refunded, order.currency),
        buttons,
    )
    numbers = ("amount", "taken", "back")
    return (
        "<tr>"
        + "".join(
            f'<td data-is="{name}"{" class=num" if name in numbers else ""}>{cell}</td>'
            for name, cell in zip(names, cells, strict=True)
        )
        + "</tr>"
    )
