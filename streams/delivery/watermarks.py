"""Positions of a consumer that finishes messages out of order."""

from collections.abc import Mapping


class Watermarks:
    """Per partition, the offset below which every message is done. Messages start in order and end in any order."""

    def __init__(self, start: Mapping[int, int]) -> None:
        #: What Postgres holds.
        self.stored = dict(start)
        self._next = dict(start)
        self._under_way: dict[int, dict[int, None]] = {partition: {} for partition in start}

    def begin(self, partition: int, offset: int) -> None:
        """A message is started; offsets of a partition arrive in order."""
        self._under_way[partition][offset] = None
        self._next[partition] = offset + 1

    def finish(self, partition: int, offset: int) -> None:
        """A message is done."""
        self._under_way[partition].pop(offset, None)

    def is_under_way(self, partition: int, offset: int) -> bool:
        """Whether a message is started and not done."""
        return offset in self._under_way[partition]

    @property
    def under_way(self) -> int:
        """Messages started and not done."""
        return sum(map(len, self._under_way.values()))

    def moves(self) -> dict[int, tuple[int, int]]:
        """Partition → (what Postgres holds, what it may hold now), where they differ."""
        moves = {}
        for partition, stored in self.stored.items():
            first = next(iter(self._under_way[partition]), self._next[partition])
            if first > stored:
                moves[partition] = (stored, first)
        return moves

    def store(self, moves: Mapping[int, tuple[int, int]]) -> None:
        """Postgres has written ``moves``."""
        self.stored.update({partition: following for partition, (_, following) in moves.items()})
