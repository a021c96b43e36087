"""Yandex Pay's carts: whether they add up, and what a refund leaves of them."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from billing.money import from_decimal_string, to_decimal_string
from providers.sandbox.imitation import Line
from providers.sandbox.yandex_pay.errors import CartProblem

CURRENCY: Final = "RUB"


def check(cart: Mapping[str, Any], amount: int) -> None:
    """Raise :class:`CartProblem` unless the lines add up to the cart's total, and that to ``amount`` (kopecks)."""
    items = cart["items"]
    if not items or len({item["productId"] for item in items}) != len(items):
        raise CartProblem("no items, or a product twice")
    for item in items:
        price, total = item.get("discountedUnitPrice", item.get("unitPrice")), _kopecks(item["total"])
        if price is not None and Decimal(item["quantity"]["count"]) * _kopecks(price) != total:
            raise CartProblem(f"{item['productId']}: the total is not count times price")
    lines, total = sum(_kopecks(item["total"]) for item in items), _kopecks(cart["total"]["amount"])
    if not lines == total == amount:
        raise CartProblem(f"lines come to {lines}, the cart has {total}, the amount is {amount}")


def after_refund(cart: Mapping[str, Any], target: Mapping[str, Any] | None) -> dict[str, Any]:
    """The cart that a refund leaves: lines that ``target`` does not name are given back, and without a target all
    are. A line's count and price may only shrink. Raises :class:`CartProblem`."""
    lines = {item["productId"]: dict(item) for item in cart["items"]}
    items = []
    for wanted in (target or {}).get("items", []):
        line = lines.pop(wanted["productId"], None)
        if line is None:
            raise CartProblem(f"{wanted['productId']} is not in the cart, or is named twice")
        count, price = Decimal(line["quantity"]["count"]), _price(line)
        left = Decimal(wanted.get("quantityCount", line["quantity"]["count"]))
        lower = _kopecks(wanted["price"]) if "price" in wanted else price
        if not 0 < left <= count or not 0 <= lower <= price:
            raise CartProblem(f"{wanted['productId']}: more than there was")
        line.pop("discountedUnitPrice", None)
        items.append(
            {
                **line,
                "quantity": {**line["quantity"], "count": str(left)},
                "unitPrice": to_decimal_string(lower, CURRENCY),
                "total": to_decimal_string(int(left * lower), CURRENCY),
            }
        )
    total = sum(_kopecks(item["total"]) for item in items)
    return {**cart, "items": items, "total": {"amount": to_decimal_string(total, CURRENCY)}}


def lowered(cart: Mapping[str, Any], by: int) -> dict[str, Any]:
    """The cart after a refund of ``by`` kopecks that names no items: prices go down, of lines with few units first."""
    items = [dict(item) for item in cart["items"]]
    for item in sorted(items, key=lambda i: Decimal(i["quantity"]["count"])):
        count, total = int(Decimal(item["quantity"]["count"])), _kopecks(item["total"])
        off = min(by, total)
        off -= off % count
        item.pop("discountedUnitPrice", None)
        item["unitPrice"] = to_decimal_string((total - off) // count, CURRENCY)
        item["total"] = to_decimal_string(total - off, CURRENCY)
        by -= off
    left = [item for item in items if _kopecks(item["total"])]
    amount = sum(_kopecks(item["total"]) for item in left)
    return {**cart, "items": left, "total": {"amount": to_decimal_string(amount, CURRENCY)}}


def lines(cart: Mapping[str, Any]) -> list[Line]:
    """As the payment page shows them."""
    items = cart.get("items", [])
    return [Line(str(item.get("title", item["productId"])), _kopecks(item["total"])) for item in items]


def total(cart: Mapping[str, Any]) -> int:
    """Kopecks."""
    return _kopecks(cart["total"]["amount"])


def _price(line: Mapping[str, Any]) -> int:
    if "unitPrice" in line:
        return _kopecks(line.get("discountedUnitPrice", line["unitPrice"]))
    return int(_kopecks(line["total"]) / Decimal(line["quantity"]["count"]))


def _kopecks(text: str) -> int:
    return from_decimal_string(text, CURRENCY)
