"""Order by event time: the clock of a stream, and the readings that wait for those before them."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from edgedescent.assembly.inputs import TOPICS_MAX, Reading

START_S = 10.0
"""Time for which the clock of a stream waits for the first readings with a time, where any input has times."""

Key = tuple[int, str, float]
"""Input, topic and time of a reading."""


class StreamClock:
    """Clock of a stream: the time of its newest reading, which goes on by arrival while nothing comes.

    A reading without a time of its own gets the time of this clock. So a recording of the past can be sent beside
    sensors without a clock, and where all clocks are right it is the time of arrival, less what the newest took. Where
    any input has times, the first reading that has one starts the clock, or else the arrival `START_S` later; what
    comes before, without a time, has the time at which the clock started, and -inf until then. A reading whose time is
    ahead of its arrival keeps it, and moves the clock to the arrival only.

    Where inputs are bounded by each other, one alone does not start the clock: it may be the one that is ahead. Until
    another has a time, its readings wait for `START_S`, or for the lateness if that is longer. Nothing could be
    released before anyway, so that a restart on the way changes nothing.

    Args:
        has_times: For each input whether it has times.
        lateness_s: How late a reading may come.
        ahead_max_s: Bound on a reading's time before its arrival; one that is further ahead is set back to it. Also
            the bound on how far the arrival may go back while the clock stands still.
        ahead_of_others_max_s: Bound on how far one input's times may move the clock ahead of those of all other inputs;
            None for no bound. A reading that is further ahead waits until the others get there. Inputs without times do
            not count.

    Attributes:
        newest: Time of the clock at its last reading; -inf before it has started.
        start: Time at which it started.
        n_clamped: Number of readings that were set back.
        n_held_back: Number of readings that did not move the clock.
        n_turned_back: Number of times that the arrival went back by more than `ahead_max_s`.
    """

    def __init__(
        self, has_times: list[bool], lateness_s: float, ahead_max_s: float, ahead_of_others_max_s: float | None
    ) -> None:
        self._has_times = any(has_times)
        self._alone_s = max(START_S, lateness_s)
        """Time for which an input alone waits for another one with times."""
        self._ahead_max_s = ahead_max_s
        self._ahead_of_others_max_s = ahead_of_others_max_s if sum(has_times) > 1 else None
        self.newest = self.start = -math.inf
        self._first_arrival = math.inf
        """Time of arrival of the first reading that did not start the clock."""
        self._received_at = 0.0
        """Time of arrival of the reading that set `newest`."""
        self._latest = [-math.inf] * len(has_times)
        """Largest time of each input."""
        self.n_clamped = self.n_held_back = self.n_turned_back = 0

    @property
    def is_started(self) -> bool:
        """True once the clock has a time."""
        return self.newest > -math.inf

    def at(self, received_at: float) -> float:
        """Time of the stream when something arrives that has no time."""
        if not self.is_started:
            return received_at
        # A clock of this machine that is set back a little lets the stream stand still.
        return self.newest + max(received_at - self._received_at, 0.0)

    def arrival_of(self, time: float) -> float:
        """Time of arrival at which the stream gets to a time if nothing comes before."""
        if not self.is_started:
            return self._first_arrival + (START_S if max(self._latest) == -math.inf else self._alone_s)
        return self._received_at + (time - self.newest)

    def arrive(self, received_at: float) -> None:
        """Note that something arrives, before its readings are stamped.

        Where the clock of this machine has been wrong, or is set back by much, the stream goes on from this arrival.
        """
        if self.is_started and received_at < self._received_at - self._ahead_max_s:
            self._received_at = received_at
            self.n_turned_back += 1

    def tick(self, received_at: float) -> None:
        """Move the clock on to where it is by arrival, or start it if it has waited long enough."""
        if self.is_started:
            self.move(self.at(received_at), received_at)
        elif received_at >= self.arrival_of(-math.inf):
            self.start_now(received_at)

    def start_now(self, received_at: float) -> None:
        """Start the clock without another wait: at the largest time so far, or at the arrival where there is none."""
        largest = max(self._latest)
        self.move(received_at if largest == -math.inf else min(largest, received_at), received_at)

    def stamp(self, reading: Reading, received_at: float) -> None:
        """Give a reading its time, and move the clock on, or start it."""
        if math.isnan(reading.time):
            if self._has_times and not self.is_started:
                reading.time = -math.inf
                self._wait(received_at)
                return
            reading.time = self.at(received_at)
            self.move(reading.time, received_at)
            return
        time = reading.time
        if time > received_at + self._ahead_max_s:
            time = reading.time = received_at + self._ahead_max_s
            self.n_clamped += 1
        latest, number = self._latest, reading.input
        latest[number] = max(latest[number], time)
        if self._ahead_of_others_max_s is not None and time > self.newest:
            others = max(latest[:number] + latest[number + 1 :])
            if time > others + self._ahead_of_others_max_s:
                self.n_held_back += 1
                if self.is_started:
                    return
                if others == -math.inf:
                    self._wait(received_at)
                    return
                # The other one waited alone, and is behind.
                time = others
        # The clock is never ahead of the arrival, or one fast device would make the readings of all others late.
        self.move(min(time, received_at), received_at)

    def _wait(self, received_at: float) -> None:
        """Note a reading that does not start the clock, unless the clock has waited long enough."""
        self._first_arrival = min(self._first_arrival, received_at)
        if received_at >= self.arrival_of(-math.inf):
            self.start_now(received_at)

    def move(self, time: float, received_at: float) -> None:
        """Move the clock on to a time, if that is later."""
        if not self.is_started:
            self.start = time
        if time > self.newest:
            self.newest, self._received_at = time, received_at

    def save(self) -> list[float]:
        """The state as numbers."""
        counts = float(self.n_clamped), float(self.n_held_back), float(self.n_turned_back)
        return [self.newest, self.start, self._first_arrival, self._received_at, *counts, *self._latest]

    def restore(self, saved: list[float]) -> None:
        """Continue with what `save` returned.

        Raises:
            ValueError: If it belongs to another number of inputs, or is no time.
        """
        newest, start, first_arrival, received_at, clamped, held_back, turned_back, *latest = saved
        if len(latest) != len(self._latest) or any(map(math.isnan, saved)) or not math.isfinite(received_at):
            raise ValueError("The clock of the stream does not fit the inputs.")
        self.newest, self.start, self._first_arrival = newest, start, first_arrival
        self._received_at, self._latest = received_at, latest
        self.n_clamped, self.n_held_back, self.n_turned_back = int(clamped), int(held_back), int(turned_back)


class ReorderBuffer:
    """Readings in the order of their times, as far as lateness allows.

    Readings whose time is before the clock by more than the lateness are released, in order of time, then of rank,
    input and topic. So those that come at most that late give the same order whatever their order of arrival; one
    behind which others were released is late. Without lateness each is released as it comes, or when the clock gets
    to its time.

    Args:
        lateness_s: How late a reading may come, by the clock of the stream.
        readings_max: Bound on the readings that wait; beyond it the oldest are released before their time.
        ranks: Rank of each input among readings of one time.
        add_up: For each input whether two readings of one topic and time add up, instead of one correcting the other.

    Attributes:
        frontier: Time before which no reading is taken any more.

    Example:
        >>> buffer = ReorderBuffer(10.0, 100, [0])
        >>> counts = Counter()
        >>> for time in (5.0, 3.0, 20.0):
        ...     _ = buffer.add(Reading(time, 0, "t", {}), True, counts)
        >>> buffer.move_frontier(20.0)
        10.0
        >>> while buffer.first() is not None:
        ...     print(buffer.pop(counts).time)
        3.0
        5.0
    """

    def __init__(self, lateness_s: float, readings_max: int, ranks: list[int], add_up: Sequence[bool] = ()) -> None:
        self.lateness_s = lateness_s
        self._readings_max = readings_max
        self._ranks = ranks
        self._add_up = frozenset(i for i, adds in enumerate(add_up) if adds)
        self.frontier = -math.inf
        self._heap: list[tuple[float, int, int, str, int, bool, Reading]] = []
        """Waiting readings behind time, rank, input, topic, number, and whether the time is its own."""
        self._held: dict[Key, Reading] = {}
        """Readings that wait and have a time of their own."""
        self._n_added = 0
        self._last: dict[tuple[int, str], Reading] = {}
        """Last reading with a time that was released, by input and topic."""

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
            key = self._key(reading)
            held = self._held.get(key)
            last = self._last.get(key[:2]) if held is None else held
            if last is not None and last.time == reading.time:
                if last.values == reading.values and last.id == reading.id:
                    counts["readings_repeated"] += 1
                    return True
                adds = reading.input in self._add_up
                if not adds:
                    counts["readings_corrected"] += 1
                if held is not None:
                    values = {**held.values, **reading.values} if adds else reading.values
                    held.values, held.id, held.key, held.about = values, reading.id, reading.key, reading.about
                    return True
            if reading.time < self.frontier:
                return False
            self._held[key] = reading
        else:
            # Where others were released before their time, the clock is behind the frontier.
            reading.time = max(reading.time, self.frontier)
        self._n_added += 1
        rank = self._ranks[reading.input]
        entry = (reading.time, rank, reading.input, reading.topic, self._n_added, has_time, reading)
        heapq.heappush(self._heap, entry)
        return True

    def move_frontier(self, now: float) -> float:
        """Move the frontier on to a time of the stream, less the lateness; returns it."""
        frontier = now - self.lateness_s
        self.frontier = max(self.frontier, frontier)
        return self.frontier

    def _is_due(self, time: float) -> bool:
        # Without lateness, what is at the frontier waits for nothing.
        return time < self.frontier or (time == self.frontier and not self.lateness_s)

    def first(self) -> Reading | None:
        """Reading whose turn it is; it waits until it is taken out. None if all others come later, or none waits."""
        heap = self._heap
        if not heap or not (self._is_due(heap[0][0]) or len(heap) > self._readings_max):
            return None
        return heap[0][-1]

    def pop(self, counts: Counter[str]) -> Reading:
        """Take out the first reading.

        Args:
            counts: Counters, which are updated.
        """
        *_, has_time, reading = heapq.heappop(self._heap)
        if not self._is_due(reading.time):
            counts["readings_released_early"] += 1
            self.frontier = reading.time
        if has_time:
            self._held.pop(self._key(reading), None)
            place = reading.input, reading.topic
            if place in self._last or len(self._last) < TOPICS_MAX:
                self._last[place] = reading
        return reading

    @property
    def is_full(self) -> bool:
        """True if as many readings wait as may."""
        return len(self._heap) >= self._readings_max

    @property
    def due(self) -> float:
        """Time of the stream at which the first waiting reading is released; infinite if none waits."""
        return self._heap[0][0] + self.lateness_s if self._heap else math.inf

    def save(self) -> list[Any]:
        """The state as nested lists: frontier, waiting readings with whether each has a time, and the last ones."""
        waiting = sorted(self._heap, key=lambda entry: entry[:5])
        rows = [[entry[5], entry[6]] for entry in waiting]
        return [self.frontier, rows, [self._last[place] for place in sorted(self._last)]]

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
        self._last = {(reading.input, reading.topic): reading for reading in last}
        self._held = {self._key(reading): reading for has_time, reading in waiting if has_time}
        # In their order, which is a heap.
        self._heap = [
            (reading.time, self._ranks[reading.input], reading.input, reading.topic, i + 1, has_time, reading)
            for i, (has_time, reading) in enumerate(waiting)
        ]

    @staticmethod
    def _key(reading: Reading) -> Key:
        return reading.input, reading.topic, reading.time
