"""What an agent does with a message that can never be applied: set it aside, and go on with the others.

An outage is not a refusal: it leaves :func:`apply_all` as it came, and the caller retries the batch.
"""

from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy.exc import DBAPIError

from runtime.kafka.record import Incoming
from runtime.postgres import is_refusal

Apply = Callable[[Sequence[Incoming]], Awaitable[None]]
SetAside = Callable[[Incoming, Exception], Awaitable[None]]


class Poison(Exception):
    """The message at ``index`` of the batch can never be applied; nothing of the batch is applied yet."""

    def __init__(self, index: int, cause: Exception) -> None:
        super().__init__(str(cause))
        self.index = index
        self.cause = cause


async def apply_all(batch: Sequence[Incoming], apply: Apply, set_aside: SetAside) -> None:
    """Apply the messages of a batch in their order, as many at once as possible; set aside those that are poison, and
    those whose data Postgres refuses. ``apply`` applies all of its messages or none, or may repeat some."""
    rest = batch
    while rest:
        try:
            await apply(rest)
        except Poison as poison:
            await apply_all(rest[: poison.index], apply, set_aside)
            await set_aside(rest[poison.index], poison.cause)
            rest = rest[poison.index + 1 :]
        except DBAPIError as error:
            if not is_refusal(error):
                raise
            # Postgres refuses the data of one of the messages: find it by halves.
            if len(rest) == 1:
                await set_aside(rest[0], error)
                return
            half = len(rest) // 2
            await apply_all(rest[:half], apply, set_aside)
            rest = rest[half:]
        else:
            return
