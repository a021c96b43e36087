"""What an operator does with dead letters: list them, replay one to its topic, discard one."""

from collections.abc import Callable

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from backoffice.dead_letters.replay import NotReplayable, Replayer
from backoffice.operators import ActionRefused, Operator, recorded
from runtime.clock import utc_now
from runtime.kafka.dead_letters import Letter, letter_at, read_letters
from runtime.postgres import connected
from runtime.settings import AdminSettings, PostgresSettings, Settings
from storage.streams.dead_letter_resolutions import DeadLetterId, Resolution, resolutions, resolve


class NoSuchLetter(ActionRefused):
    """The topic holds no letter at this position, or not any more."""


class AlreadyResolved(ActionRefused):
    """The letter was replayed or discarded before."""


class DeadLetter(msgspec.Struct, frozen=True):
    """A letter and what became of it; ``None`` while it is open."""

    letter: Letter
    resolution: Resolution | None


class ReplayOutcome(msgspec.Struct, frozen=True):
    """``position``: the message's new topic/partition/offset; ``None`` if it could not be replayed: ``problem``."""

    id: str
    position: str | None
    problem: str | None = None


async def list_dead_letters(settings: Settings | AdminSettings, *, include_resolved: bool) -> list[DeadLetter]:
    """The open letters, or all that the topic still holds; the newest first."""
    known = await _resolutions(settings)
    found = [DeadLetter(letter, known.get(letter.position)) async for letter in read_letters(settings)]
    chosen = [one for one in found if include_resolved or one.resolution is None]
    return sorted(chosen, key=lambda one: one.letter.buried_at, reverse=True)


async def read_dead_letter(settings: Settings | AdminSettings, place: DeadLetterId) -> DeadLetter:
    """The letter at (partition, offset). Raises :class:`NoSuchLetter`."""
    letter = await letter_at(settings, *place)
    if letter is None:
        raise NoSuchLetter(f"there is no dead letter {place[0]}-{place[1]}")
    return DeadLetter(letter, (await _resolutions(settings)).get(place))


async def replay(settings: Settings | AdminSettings, operator: Operator, place: DeadLetterId) -> ReplayOutcome:
    """Send a letter's message to its topic again, unchanged. Consumers recognise repeats.

    Raises :class:`NoSuchLetter`, :class:`AlreadyResolved` and
    :class:`~backoffice.dead_letters.replay.NotReplayable`.
    """
    letter = await _open_letter(settings, place)
    async with connected(settings) as engine, Replayer(settings) as replayer:
        return await _replay(operator, engine, replayer, letter)


async def replay_all(
    settings: Settings | AdminSettings, operator: Operator, on_progress: Callable[[ReplayOutcome], None]
) -> list[ReplayOutcome]:
    """Replay every open letter, the oldest first; ``on_progress`` follows each."""
    open_letters = await list_dead_letters(settings, include_resolved=False)
    outcomes = []
    async with connected(settings) as engine, Replayer(settings) as replayer:
        for found in reversed(open_letters):
            try:
                outcome = await _replay(operator, engine, replayer, found.letter)
            except NotReplayable as error:
                outcome = ReplayOutcome(found.letter.id, None, str(error))
            outcomes.append(outcome)
            on_progress(outcome)
    return outcomes


async def discard(settings: Settings | AdminSettings, operator: Operator, place: DeadLetterId) -> None:
    """Take a letter off the list of open ones; Kafka keeps it for the topic's retention.

    Raises :class:`NoSuchLetter` and :class:`AlreadyResolved`.
    """
    letter = await _open_letter(settings, place)
    async with (
        connected(settings) as engine,
        recorded(engine, operator, "discard_dead_letter", "dead_letter", letter.id, origin=letter.origin) as record,
        engine.begin() as connection,
    ):
        resolution = Resolution("discarded", operator.name, utc_now(), operator.reason)
        if not await resolve(connection, place, resolution):
            raise AlreadyResolved(f"{letter.id} has just been resolved by somebody else")
        await record.complete(connection)


async def _replay(operator: Operator, engine: AsyncEngine, replayer: Replayer, letter: Letter) -> ReplayOutcome:
    async with recorded(
        engine, operator, "replay_dead_letter", "dead_letter", letter.id, origin=letter.origin
    ) as record:
        record.details["position"] = position = await replayer.send(letter)
        # After the broker has the message: a letter that was not sent must stay open.
        async with engine.begin() as connection:
            resolution = Resolution("replayed", operator.name, utc_now(), operator.reason)
            await resolve(connection, letter.position, resolution)
            await record.complete(connection)
    return ReplayOutcome(letter.id, position)


async def _open_letter(settings: Settings | AdminSettings, place: DeadLetterId) -> Letter:
    found = await read_dead_letter(settings, place)
    if (resolution := found.resolution) is not None:
        at = resolution.resolved_at.isoformat()
        raise AlreadyResolved(f"{found.letter.id} was {resolution.action} by {resolution.actor} at {at}")
    return found.letter


async def _resolutions(settings: PostgresSettings) -> dict[DeadLetterId, Resolution]:
    async with connected(settings) as engine, engine.connect() as connection:
        return await resolutions(connection)
