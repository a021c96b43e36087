"""The panel over a database, people with names, and the agent of payments in the place of Kafka."""

import re
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from yarl import URL

from admin.payments.sending import SOURCE
from admin.people import cookies
from admin.people.person import Person
from backoffice.commands import enveloped
from billing.access.roles import Role
from billing.messages import MESSAGE_TYPES, Reply
from billing.payments.decide import decide
from billing.payments.model import Payment
from billing.vocabulary import PaymentStatus
from runtime.clock import utc_now
from storage.payments.rows import load_payments
from tests.support.factories import a_create, a_payment, an_order, opened, told
from tests.support.streams import World as Stream
from tests.unit.admin.conftest import World

KEY = re.compile(r'name="key" value="([0-9a-f-]{36})"')
HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')


class Panel:
    """The panel, people with names, and the agent of payments as the way of commands."""

    def __init__(self, world: World, database: Any) -> None:
        self.world = world
        self.stream = Stream(database)
        self.sent: list[tuple[Any, UUID, str]] = []
        self.people: dict[str, Person] = {}
        self.lost = False

    def become(self, name: str, role: Role = Role.FINANCE) -> None:
        token = f"session-of-{name}"
        self.people[token] = Person(
            id=UUID(int=len(name)), email=f"{name}@cinema.example", name=name, role=role, session="0123abcd", token=token,
            address="127.0.0.1", authenticated_at=utc_now(),
        )  # fmt: skip
        self.world.http.cookie_jar.update_cookies({cookies.SESSION: token}, URL(self.world.url))

    async def person(self, token: str, _address: str, *, by_hand: bool = True) -> Person | None:
        return self.people.get(token)

    async def send(
        self, _settings: Any, _sender: Any, _engine: Any, command: Any, id: UUID, operator: str
    ) -> Reply | None:
        """Instead of Kafka: the agent decides on the very bytes."""
        if self.lost:
            raise ConnectionResetError
        self.sent.append((command, id, operator))
        envelope = enveloped(command, id, operator, SOURCE)
        command = msgspec.json.decode(msgspec.json.encode(command), type=MESSAGE_TYPES[command.TYPE])
        payment = await self.payment(command.payment_id)
        refusal = decide(payment, command, utc_now()).refusal
        agent = await self.stream.agent()
        await agent.process([self.stream.log.write_raw(envelope.encode())])
        return None if refusal is None else Reply(payment.id, "1", refusal=refusal)

    async def a_paid(self, *prices: int) -> Payment:
        create = a_create(order=an_order(*prices))
        payment = a_payment(payment_id=create.payment_id, order=create.order)
        agent = await self.stream.agent()
        await self.stream.deliver(agent, create, opened(payment), told(payment, PaymentStatus.CAPTURED))
        return await self.payment(payment.id)

    async def payment(self, id: UUID) -> Payment:
        async with self.stream.engine.connect() as connection:
            return (await load_payments(connection, [id]))[id]

    async def get(self, path: str) -> str:
        response = await self.world.get(path)
        assert response.status == 200, await response.text()
        return await response.text()

    async def previewed(self, payment: Payment, action: str, **fields: str) -> tuple[int, str]:
        form = await self.get(f"/payments/{payment.id}/{action}")
        (key,) = KEY.findall(form)
        response = await self.world.post(f"/payments/{payment.id}/{action}/preview", {"key": key, **fields})
        return response.status, await response.text()

    async def confirmed(self, payment: Payment, action: str, previewed: str) -> tuple[int, str]:
        hidden = {name: value for name, value in HIDDEN.findall(previewed) if name != "form_token"}
        response = await self.world.post(f"/payments/{payment.id}/{action}/confirm", hidden)
        return response.status, await response.text()

    async def act(self, payment: Payment, action: str, **fields: str) -> tuple[int, str]:
        status, page = await self.previewed(payment, action, **fields)
        assert status == 200, page
        return await self.confirmed(payment, action, page)

    async def rows(self, sql: str) -> list[Any]:
        async with self.stream.engine.connect() as connection:
            return list((await connection.execute(text(sql))).all())
