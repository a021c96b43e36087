"""What an operator does with dead letters: list them, replay one to its topic, discard one."""

from collections.abc import Callable

import msgspec

from backoffice.dead_letters.letters import Letter, letter_at, letters
from backoffice.dead_letters.replay import NotReplayable, Replayer
from backoffice.operators import ActionRefused, Operator
from runtime.clock import utc_now
from runtime.postgres import connected
from runtime.settings import Settings
from storage.streams.dead_letter_resolutions import Place, Resolution, resolutions, resolve


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


async def list_dead_letters(settings: Settings, *, include_resolved: bool) -> list[DeadLetter]:
    """The open letters, or all that the topic still holds; the newest first."""
    known = await _resolutions(settings)
    found = [DeadLetter(letter, known.get(letter.position)) async for letter in letters(settings)]
    chosen = [one for one in found if include_resolved or one.resolution is None]
    return sorted(chosen, key=lambda one: one.letter.buried_at, reverse=True)


async def read_dead_letter(settings: Settings, place: Place) -> DeadLetter:
    """The letter at (partition, offset). Raises :class:`NoSuchLetter`."""
    letter = await letter_at(settings, *place)
    if letter is None:
        raise NoSuchLetter(f"there is no dead letter {place[0]}-{place[1]}")
    return DeadLetter(letter, (await _resolutions(settings)).get(place))


async def replay(settings: Settings, operator: Operator, place: Place) -> ReplayOutcome:
    """Send a letter's message to its topic again, unchanged. Consumers recognise repeats.

    Raises :class:`NoSuchLetter` and :class:`AlreadyResolved`.
    """
    letter = await _open_letter(settings, place)
    async with Replayer(settings) as replayer:
        return await _replay(settings, operator, replayer, letter)


async def replay_all(
    settings: Settings, operator: Operator, on_progress: Callable[[ReplayOutcome], None]
) -> list[ReplayOutcome]:
    """Replay every open letter, the oldest first; ``on_progress`` follows each."""
    open_letters = await list_dead_letters(settings, include_resolved=False)
    outcomes = []
    async with Replayer(settings) as replayer:
        for dead_letter in reversed(open_letters):
            outcome = await _replay(settings, operator, replayer, dead_letter.letter)
            outcomes.append(outcome)
            on_progress(outcome)
    return outcomes


async def discard(settings: Settings, operator: Operator, place: Place) -> None:
    """Take a letter off the list of open ones; Kafka keeps it for the topic's retention.

    Raises :class:`NoSuchLetter` and :class:`AlreadyResolved`.
    """
    letter = await _open_letter(settings, place)
    resolution = Resolution("discarded", operator.name, utc_now(), operator.reason)
    async with connected(settings) as engine, engine.begin() as connection:
        if not await resolve(connection, letter.position, resolution):
            raise AlreadyResolved(f"{letter.id} has just been resolved by somebody else")


async def _replay(settings: Settings, operator: Operator, replayer: Replayer, letter: Letter) -> ReplayOutcome:
    try:
        position = await replayer.send(letter)
    except NotReplayable as error:
        return ReplayOutcome(letter.id, None, str(error))
    # After the broker has the message: a letter that was not sent must stay open.
    resolution = Resolution("replayed", operator.name, utc_now(), operator.reason)
    async with connected(settings) as engine, engine.begin() as connection:
        await resolve(connection, letter.position, resolution)
    return ReplayOutcome(letter.id, position)


async def _open_letter(settings: Settings, place: Place) -> Letter:
    found = await read_dead_letter(settings, place)
    if (resolution := found.resolution) is not None:
        at = resolution.resolved_at.isoformat()
        raise AlreadyResolved(f"{found.letter.id} was {resolution.action} by {resolution.actor} at {at}")
    return found.letter


async def _resolutions(settings: Settings) -> dict[Place, Resolution]:
    async with connected(settings) as engine, engine.connect() as connection:
        return await resolutions(connection)
