"""What schemathesis cannot know from the document: what makes a well-formed request a sensible one."""

from itertools import count
from typing import Any
from uuid import uuid4

import schemathesis
from schemathesis import Case, HookContext

RUN = uuid4().hex
numbers = count()


@schemathesis.hook
def before_call(_context: HookContext, case: Case, **_kwargs: Any) -> None:
    """Let a request that fits the schema fit the rules between its fields as well: what follows on an accepted
    command is reached then."""
    if case.meta is None or case.meta.generation.mode.is_negative:
        return
    if case.operation.definition.raw["operationId"] == "create_payment" and isinstance(case.body, dict):
        lines = case.body["cart"]["items"]
        for number, line in enumerate(lines):
            line["product_id"] = f"film-{number}"
            line["unit_price"] = max(1, line["unit_price"] % 1_000_000)
            line["quantity"] = max(1, line["quantity"] % 10)
        case.body["amount"] = sum(line["unit_price"] * line["quantity"] for line in lines)
        case.body["provider"] = ("yandex-pay", "yookassa", "stripe", "tbank")[next(numbers) % 4]
    if case.headers is not None and "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = f"{RUN}-{next(numbers)}"
    if case.headers is not None and "Last-Event-ID" in case.headers:
        case.headers["Last-Event-ID"] = "0"  # a version to come would be waited for
