"""The sandbox' pages for people: a payment page, and a list of orders."""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from typing import Final

from billing.money import to_decimal_string
from providers.sandbox.imitation import Line, is_payable
from providers.sandbox.ledger import Order

_SYMBOLS: Final = {"RUB": "₽"}
_STYLE = """
:root{color-scheme:light dark;--card:#fff;--ink:#1c1c1e;--dim:#6b7280;--back:#f3f4f6;--line:#e5e7eb}
@media(prefers-color-scheme:dark){:root{--card:#1f2937;--ink:#f3f4f6;--dim:#9ca3af;--back:#111827;--line:#374151}}
*{box-sizing:border-box}body{margin:0;font:16px/1.5 system-ui,sans-serif;background:var(--back);color:var(--ink)}
main{max-width:28rem;margin:6vh auto;padding:2rem;background:var(--card);border-radius:1rem;
box-shadow:0 10px 30px #0002}main.wide{max-width:64rem}h1{margin:0 0 .25rem;font-size:1.25rem}p{color:var(--dim)}
ul{list-style:none;padding:0;margin:1.25rem 0}li{display:flex;justify-content:space-between;gap:1rem;padding:.4rem 0;
border-bottom:1px solid var(--line)}.sum{font-size:1.5rem;font-weight:700}button,a.button{font:inherit;border:0;
border-radius:.6rem;padding:.7rem 1rem;cursor:pointer;width:100%;margin-top:.6rem;background:var(--line);
color:var(--ink)}button.pay{background:#16a34a;color:#fff;font-weight:600}table{width:100%;border-collapse:collapse}
td,th{text-align:left;padding:.45rem .5rem;border-bottom:1px solid var(--line);font-size:.9rem}
td.num{text-align:right;font-variant-numeric:tabular-nums}td form{display:inline}td button{width:auto;margin:0 .2rem 0 0;
padding:.3rem .7rem}.CAPTURED,.AUTHORIZED{color:#16a34a}.FAILED,.VOIDED{color:#dc2626}
"""


def _page(title: str, body: str, wide: str = "") -> str:
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style><main class='{wide}'>{body}</main></html>"
    )


def payment(order: Order, lines: Sequence[Line]) -> str:
    """The page a customer pays on."""
    shown = "".join(
        f"<li><span>{escape(line.title)}</span><span>{_money(line.amount, order.currency)}</span></li>"
        for line in lines
    )
    amount = _money(order.amount, order.currency)
    head = f"<h1>Cinema</h1><p>Sandbox: no real money moves here.</p><ul>{shown}</ul><div class=sum>{amount}</div>"
    if not is_payable(order):
        state = order.status.lower().replace("_", " ") if order.status != "PENDING" else "expired"
        return _page("Payment", f"{head}<p class={order.status}>This order is {state}.</p>")
    buttons = "".join(
        f'<button name=outcome value={value} class="{value}">{text}</button>'
        for value, text in (("pay", f"Pay {amount}"), ("decline", "Let the bank decline"), ("walk_away", "Walk away"))
    )
    return _page("Payment", f"{head}<form method=post>{buttons}</form>")


def _money(amount: int, currency: str) -> str:
    return f"{to_decimal_string(amount, currency)} {_SYMBOLS.get(currency, escape(currency))}"


def orders(found: Sequence[Order]) -> str:
    """The newest orders, for manual tests."""
    rows = []
    for order in found:
        buttons = ""
        if order.status == "PENDING":
            buttons = (
                f"<form method=post action='/pay/{escape(order.order_id)}'><button name=outcome value=pay>Pay</button>"
                "<button name=outcome value=decline>Decline</button></form>"
            )
        created = datetime.fromtimestamp(order.created, UTC).strftime("%H:%M:%S")
        rows.append(
            f"<tr><td>{created}</td><td>{escape(order.provider)}</td>"
            f"<td><a href='/pay/{escape(order.order_id)}'>{escape(order.order_id[:8])}</a></td>"
            f"<td class=num>{to_decimal_string(order.amount, order.currency)}</td>"
            f"<td class={order.status}>{order.status}</td>"
            f"<td class=num>{to_decimal_string(order.captured, order.currency)}</td>"
            f"<td class=num>{to_decimal_string(order.refunded, order.currency)}</td><td>{buttons}</td></tr>"
        )
    head = "".join(
        f"<th>{name}</th>" for name in ("at (UTC)", "provider", "order", "amount", "status", "taken", "back", "")
    )
    body = "".join(rows) or "<tr><td colspan=8>No orders yet.</td></tr>"
    return _page("Provider sandbox", f"<h1>Provider sandbox</h1><table><tr>{head}</tr>{body}</table>", "wide")
