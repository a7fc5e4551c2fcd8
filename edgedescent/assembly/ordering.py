"""Order by event time: the clock of a stream, and the readings that wait for those before them."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

from edgedescent.assembly.inputs import TOPICS_MAX, Reading

START_S = 10.0
"""Time for which the clock of a stream waits for the first reading with a time, where any input has times."""

Key = tuple[int, str, float]
"""Input, topic and time of a reading."""


class StreamClock:
    """Clock of a stream: the time of its newest reading, which goes on by arrival while nothing comes.

    A reading without a time of its own gets the time of this clock. So a recording of the past can be sent beside
    sensors without a clock, and where all clocks are right it is the time of arrival, less what the newest took. Where
    any input has times, the first reading that has one starts the clock, or else the arrival `START_S` later; what
    comes before, without a time, has the time at which the clock started, and -inf until then.

    Args:
        inputs: Number of inputs.
        has_times: True if any input has times.
        ahead_max_s: Bound on a reading's time before its arrival; one that is further ahead is set back to it.
        ahead_of_others_max_s: Bound on how far one input's times may move the clock ahead of those of all other inputs;
            None for no bound. A reading that is further ahead waits until the others get there.

    Attributes:
        newest: Time of the clock at its last reading; -inf before it has started.
        start: Time at which it started.
        n_clamped: Number of readings that were set back.
        n_held_back: Number of readings that did not move the clock.
    """

    def __init__(
        self, inputs: int, ahead_max_s: float, ahead_of_others_max_s: float | None, *, has_times: bool = True
    ) -> None:
        self._has_times = has_times
        self._ahead_max_s = ahead_max_s
        self._ahead_of_others_max_s = ahead_of_others_max_s
        self.newest = self.start = -math.inf
        self._first_arrival = math.inf
        """Time of arrival of the first reading that came before the start."""
        self._received_at = 0.0
        """Time of arrival of the reading that set `newest`."""
        self._latest = [-math.inf] * inputs
        """Largest time of each input."""
        self.n_clamped = self.n_held_back = 0

    def at(self, received_at: float) -> float:
        """Time of the stream when something arrives that has no time."""
        if self.newest == -math.inf:
            return received_at
        # A clock of this machine that is set back lets the stream stand still.
        return self.newest + max(received_at - self._received_at, 0.0)

    def arrival_of(self, time: float) -> float:
        """Time of arrival at which the stream gets to a time if nothing comes before."""
        if self.newest == -math.inf:
            return self._first_arrival + START_S
        return self._received_at + (time - self.newest)

    def stamp(self, reading: Reading, received_at: float) -> None:
        """Give a reading its time, and move the clock on."""
        time = reading.time
        if math.isnan(time):
            if self.newest == -math.inf and self._has_times:
                self._first_arrival = min(self._first_arrival, received_at)
                if received_at < self._first_arrival + START_S:
                    reading.time = -math.inf
                    return
            reading.time = self.at(received_at)
            self.move(reading.time, received_at)
            return
        if time > received_at + self._ahead_max_s:
            time = reading.time = received_at + self._ahead_max_s
            self.n_clamped += 1
        latest, number = self._latest, reading.input
        latest[number] = max(latest[number], time)
        if self._ahead_of_others_max_s is not None and len(latest) > 1 and time > self.newest:
            others = max(latest[:number] + latest[number + 1 :])
            if time > others + self._ahead_of_others_max_s:
                self.n_held_back += 1
                return
        self.move(time, received_at)

    def move(self, time: float, received_at: float) -> None:
        """Move the clock on to a time, if that is later."""
        if self.newest == -math.inf:
            self.start = time
        if time > self.newest:
            self.newest, self._received_at = time, received_at

    def save(self) -> list[float]:
        """The state as numbers."""
        counts = float(self.n_clamped), float(self.n_held_back)
        return [self.newest, self.start, self._first_arrival, self._received_at, *counts, *self._latest]

    def restore(self, saved: list[float]) -> None:
        """Continue with what `save` returned.

        Raises:
            ValueError: If it belongs to another number of inputs, or is no time.
        """
        newest, start, first_arrival, received_at, clamped, held_back, *latest = saved
        if len(latest) != len(self._latest) or any(map(math.isnan, saved)) or not math.isfinite(received_at):
            raise ValueError("The clock of the stream does not fit the inputs.")
        self.newest, self.start, self._first_arrival = newest, start, first_arrival
        self._received_at, self._latest = received_at, latest
        self.n_clamped, self.n_held_back = int(clamped), int(held_back)


class ReorderBuffer:
    """Readings in the order of their times, as far as lateness allows.

    Readings whose time is before the clock by more than the lateness are released, in order of time, then of rank,
    input and topic. So those that come at most that late give the same order whatever their order of arrival; one
    behind which others were released is late. Without lateness each is released as it comes.

    Args:
        lateness_s: How late a reading may come, by the clock of the stream.
        readings_max: Bound on the readings that wait; beyond it the oldest are released before their time.
        ranks: Rank of each input among readings of one time.

    Attributes:
        frontier: Time before which no reading is taken any more.

    Example:
        >>> buffer = ReorderBuffer(10.0, 100, [0])
        >>> counts = Counter()
        >>> for time in (5.0, 3.0, 20.0):
        ...     _ = buffer.add(Reading(time, 0, "t", {}), True, counts)
        >>> [reading.time for reading in buffer.release(20.0, counts)], buffer.frontier
        ([3.0, 5.0], 10.0)
    """

    def __init__(self, lateness_s: float, readings_max: int, ranks: list[int]) -> None:
        self.lateness_s = lateness_s
        self._readings_max = readings_max
        self._ranks = ranks
        self.frontier = -math.inf
        self._heap: list[tuple[float, int, int, str, int, bool, Reading]] = []
        """Waiting readings behind time, rank, input, topic, number, and whether the time is its own."""
        self._held: dict[Key, Reading] = {}
        """Readings that wait and have a time of their own."""
        self._n_added = 0
        self._last: dict[str, Reading] = {}
        """Last reading with a time that was released, by topic."""

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, reading: Reading, has_time: bool, counts: Counter[str]) -> bool:
        """Take a reading in; returns False if it is late.

        A reading that is already there is counted and dropped. One that says something else about the same time
        replaces it while it waits.

        Args:
            reading: The reading.
            has_time: True if its time is its own.
            counts: Counters, which are updated.
        """
        if has_time:
            held = self._held.get((reading.input, reading.topic, reading.time)) if self.lateness_s else None
            last = self._last.get(reading.topic) if held is None else held
            if last is not None and last.time == reading.time and last.input == reading.input:
                if last.values == reading.values and last.id == reading.id:
                    counts["readings_repeated"] += 1
                    return True
                counts["readings_corrected"] += 1
                if held is not None:
                    held.values, held.id, held.key, held.about = reading.values, reading.id, reading.key, reading.about
                    return True
            if reading.time < self.frontier:
                return False
            if self.lateness_s:
                self._held[reading.input, reading.topic, reading.time] = reading
        self._n_added += 1
        rank = self._ranks[reading.input]
        entry = (reading.time, rank, reading.input, reading.topic, self._n_added, has_time, reading)
        heapq.heappush(self._heap, entry)
        return True

    def release(self, now: float, counts: Counter[str]) -> Iterator[Reading]:
        """Take out the readings whose turn it is, in order.

        Args:
            now: Time of the stream.
            counts: Counters, which are updated.
        """
        heap, lateness = self._heap, self.lateness_s
        frontier = max(now - lateness, self.frontier)
        while heap and (heap[0][0] < frontier or not lateness or len(heap) > self._readings_max):
            *_, has_time, reading = heapq.heappop(heap)
            if lateness and reading.time >= frontier:
                counts["readings_released_early"] += 1
                self.frontier = max(self.frontier, reading.time)
            if has_time:
                self._held.pop(self._key(reading), None)
                if reading.topic in self._last or len(self._last) < TOPICS_MAX:
                    self._last[reading.topic] = reading
            yield reading
        self.frontier = max(self.frontier, frontier)

    @property
    def due(self) -> float:
        """Time of the stream at which the first waiting reading is released; infinite if none waits."""
        return self._heap[0][0] + self.lateness_s if self._heap else math.inf

    def save(self) -> list[Any]:
        """The state as nested lists: frontier, readings that wait with whether each has a time, last ones by topic."""
        waiting = sorted(self._heap, key=lambda entry: entry[:5])
        rows = [[entry[5], entry[6]] for entry in waiting]
        return [self.frontier, rows, [self._last[topic] for topic in sorted(self._last)]]

    def restore(self, frontier: float, waiting: list[tuple[bool, Reading]], last: list[Reading]) -> None:
        """Continue with what `save` returned.

        Raises:
            ValueError: If a reading is of another input, or its time is none.
        """
        if math.isnan(frontier):
            raise ValueError("The frontier of the stream is no time.")
        for reading in (*(reading for _, reading in waiting), *last):
            if not (0 <= reading.input < len(self._ranks) and reading.time < math.inf):
                raise ValueError("A reading that waits belongs to other inputs.")
        self.frontier, self._n_added = frontier, len(waiting)
        self._last = {reading.topic: reading for reading in last}
        self._held = {}
        if self.lateness_s:
            self._held = {self._key(reading): reading for has_time, reading in waiting if has_time}
        # In their order, which is a heap.
        self._heap = [
            (reading.time, self._ranks[reading.input], reading.input, reading.topic, i + 1, has_time, reading)
            for i, (has_time, reading) in enumerate(waiting)
        ]

    @staticmethod
    def _key(reading: Reading) -> Key:
        return reading.input, reading.topic, reading.time
