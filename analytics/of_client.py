"""A report of one API client: the same SQL, reading only that client's payments and subscriptions."""

import re
from typing import Final

#: What the reports read, and which of its rows belong to the client ``{client:String}``. GLOBAL: on a cluster both
#: sides are spread over the shards.
_OWN: Final = (
    "payment_id GLOBAL IN (SELECT payment_id FROM `{database}`.payment_versions WHERE client_id = {{client:String}})"
)
_CONDITIONS: Final = {
    "payments": "client_id = {{client:String}}",
    "operations": "client_id = {{client:String}}",
    "payment_items": _OWN,
    "ledger_entries": _OWN,
    "provider_calls": _OWN,
    "payment_milestones": _OWN,
    "subscriptions": "client_id = {{client:String}}",
    "subscription_changes": "client_id = {{client:String}}",
    "subscription_periods": "client_id = {{client:String}}",
    "renewal_attempts": "client_id = {{client:String}}",
}
_READ: Final = re.compile(r"\bFROM (\w+)")


def tables_of(sql: str) -> frozenset[str]:
    """The tables and views that a report reads."""
    return frozenset(_READ.findall(sql))


def is_of_clients(sql: str) -> bool:
    """Whether all that a report reads belongs to clients. Others are about the service as a whole."""
    return tables_of(sql) <= _CONDITIONS.keys()


def of_client(sql: str, database: str) -> str:
    """``sql`` with its views narrowed to the client in the parameter ``client``. Each keeps its name, so that the rest
    stays as it is."""
    views = (
        f"{view} AS (SELECT * FROM `{database}`.{view} WHERE {_CONDITIONS[view].format(database=database)})"  # noqa: S608 - the fragments above
        for view in sorted(tables_of(sql))
    )
    return f"WITH {', '.join(views)}\n{sql}"
