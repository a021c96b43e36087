"""Plans and their prices."""

from urllib.parse import quote

from billing_client.models import Entries
from billing_client.subscription_models import NewPrice, Plan, Price
from billing_client.transport import Transport


class Plans:
    """Plans and prices. Writing needs a key with the scope ``admin``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def create(
        self, id: str, title: str, *, group: str | None = None, idempotency_key: str | None = None
    ) -> Plan:
        """Make a plan. A repeat with the same key and body returns the same plan."""
        body = {"id": id, "title": title, **({} if group is None else {"group": group})}
        return (await self._transport.command("POST", "/v1/plans", body, idempotency_key)).read(Plan)

    async def add_price(self, plan: str, price: NewPrice, *, idempotency_key: str | None = None) -> Price:
        """Add the next version of a price. A repeat with the same key and body returns the same price."""
        return (await self._transport.command("POST", f"{_path(plan)}/prices", price, idempotency_key)).read(Price)

    async def archive(self, plan: str) -> Plan:
        """Let no subscription begin with a plan any more. A repeat changes nothing."""
        return (await self._transport.send("POST", f"{_path(plan)}/archive")).read(Plan)

    async def list(self) -> tuple[Plan, ...]:
        """All plans, by id."""
        return (await self._transport.send("GET", "/v1/plans")).read(Entries[Plan]).data

    async def read(self, plan: str) -> Plan:
        """One plan with all its prices."""
        return (await self._transport.send("GET", _path(plan))).read(Plan)


def _path(plan: str) -> str:
    return f"/v1/plans/{quote(plan, safe='')}"
