"""Assembler: from the messages of many topics to events with labels, in the order of their times."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from edgedescent.assembly.deriver import Deriver
from edgedescent.assembly.inputs import Reading
from edgedescent.assembly.label_join import LabelJoins, label_of
from edgedescent.assembly.labels import Question, Unusable
from edgedescent.assembly.latest import LatestValues, SavedRows
from edgedescent.assembly.message_reader import MessageReader
from edgedescent.assembly.ordering import ReorderBuffer, StreamClock
from edgedescent.assembly.rows import Row, Step
from edgedescent.assembly.settings import INTERVAL, LABEL, AssemblySettings
from edgedescent.assembly.silence import Silence

GAP_EVENTS_MAX = 100
"""Bound on the events that an interval makes up for after a gap in the stream."""
TICK_MARGIN_S = 0.002
"""Time behind that at which something is due at which a tick comes: the time of arrival is rounded down."""


class _Content(msgspec.Struct, array_like=True):
    """State of an assembler, but for its clock."""

    latest: list[tuple[str, float, float | str | None, int]]
    frontier: float
    held: list[tuple[bool, Reading]]
    last: list[Reading]
    waiting_number: int
    waiting: list[tuple[str, Question]]
    answered: list[tuple[str, float]]
    times: list[float]
    baselines: tuple[list[float], list[tuple[float, float]]]
    derived: list[Any]
    boundary: int | None
    heard: list[float]
    rows: SavedRows = (0, [])


_decode = msgspec.msgpack.Decoder(_Content).decode
_decode_states = msgspec.msgpack.Decoder(list[bytes]).decode
_encode = msgspec.msgpack.Encoder().encode


class Assembler:
    """Makes events of the readings of its inputs: a deterministic state machine whose only clock is the message's time.

    A message is decoded to readings. They wait in a `ReorderBuffer` until those before them cannot come any more, then
    each sets the latest values of its features. An event takes the values that are not too old at its time, and what is
    derived from them; it never holds a value from behind its time. Its label comes with it, or later.

    Args:
        settings: The settings, which were checked.

    Attributes:
        settings: The settings.
        messages: Reads the messages.
        silent: Names of the inputs that have fallen silent.

    Example:
        >>> from edgedescent.assembly import AssemblySettings, AssemblySpec, InputSpec, LabelSpec
        >>> meter = InputSpec(topics=("home/meter",), fields={"power": "P"}, time="t")
        >>> label = LabelSpec(input="meter", feature="meter.power", horizon_s=60.0)
        >>> settings = AssemblySettings(inputs={"meter": meter}, assembly=AssemblySpec(lateness_s=0), label=label)
        >>> assembler, counts = Assembler(settings), Counter()
        >>> for payload in (b'{"P": 5, "t": 0}', b'{"P": 7, "t": 60}'):
        ...     for row in assembler.take("home/meter", payload, 100.0, counts):
        ...         row.prediction = 1.0
        ...         print(row.time, row.x, row.y, row.earlier)
        60.0 {'meter.power': 5.0} None nan
        60.0 {'meter.power': 5.0} 7.0 1.0
        120.0 {'meter.power': 7.0} None nan
    """

    def __init__(self, settings: AssemblySettings) -> None:
        self.settings = settings
        spec, label, emit = settings.assembly, settings.label, settings.emit
        self._inputs = settings.build_inputs()
        self.messages = MessageReader(self._inputs)
        numbers = {one.name: one.number for one in self._inputs}
        self._label_input = numbers[label.input]
        self._trigger = numbers.get(emit, self._label_input if emit == LABEL else -1)
        self._is_nowcast = emit == LABEL
        self._is_late = label.by is not None
        self._every_s = spec.every_s if emit == INTERVAL else None
        lateness = settings.lateness_s
        # With lateness, all readings of one time are there before the event at that time.
        self._is_complete = lateness > 0 or self._trigger == self._label_input
        self._clock = StreamClock(
            [one.has_time and not (self._is_late and one.number == self._label_input) for one in self._inputs],
            lateness,
            spec.clock_ahead_max_s,
            spec.ahead_of_others_max_s,
        )
        # At one time, an event comes behind its features, and a label that comes later behind its event.
        ranks = [2 if i == self._trigger else int(i == self._label_input) for i in range(len(self._inputs))]
        if self._is_late:
            ranks[self._label_input] = 3
        stateful = [one.state is not None for one in self._inputs]
        self._buffer = ReorderBuffer(lateness, spec.held_max, ranks, stateful)
        self._states = [one.state for one in self._inputs if one.state is not None]
        self._latest = LatestValues([one.spec.max_age_s for one in self._inputs], spec.features_max)
        self._deriver = Deriver(settings.build_derived())
        self._labels = LabelJoins(settings, self._latest)
        self._silence = Silence([one.spec.silent_after_s for one in self._inputs])
        self._boundary: int | None = None
        """Number of the next interval, from 1970 on; None before the first reading is used."""
        self._n_read = 0
        """Number of readings of the message at hand that were taken, and of those that could not be."""

    # --- Messages -------------------------------------------------------------------------------------------------

    def take(self, topic: str, payload: bytes, received_at: float, counts: Counter[str]) -> Iterator[Step]:
        """Take a message in; yields what follows from it, in order.

        The caller fills in the prediction of each row before it takes the next step.

        Args:
            topic: Topic of the message; empty for a tick, which only moves the time on.
            payload: Its payload.
            received_at: Time of its arrival, in seconds since 1970.
            counts: Counters, which are updated.
        """
        return (step for step in self.run(topic, payload, received_at, counts) if not isinstance(step, int))

    def run(
        self, topic: str, payload: bytes, received_at: float, counts: Counter[str], done: int | None = None
    ) -> Iterator[Step | int]:
        """Take a message in, as `take` does, with the places at which it may be left and its state saved.

        Args:
            topic: Topic of the message.
            payload: Its payload.
            received_at: Time of its arrival.
            counts: Counters, which are updated.
            done: Place at which it was left; None for one that begins.

        Yields:
            What follows from it, and the number of its readings so far where it may be left.
        """
        clock, self._n_read = self._clock, done or 0
        if done is None:
            clock.arrive(received_at)
        if done is None and not topic:
            counts["ticks"] += 1
            clock.tick(received_at)
        if done is not None or not topic:
            yield from self._advance(counts)
        if not topic:
            return
        found = self.messages.find(topic)
        if not found:
            counts["messages_ignored"] += 1
        n = 0
        for one, levels in found:
            for reading in self.messages.read(one, levels, topic, payload, received_at):
                n += 1
                if n <= self._n_read:
                    continue
                if n > 1:
                    yield self._n_read
                self._n_read = n
                if isinstance(reading, Unusable):
                    yield reading
                else:
                    yield from self._add(reading, received_at, counts)
        # Not before: where the message is left and its state saved, it is decoded again.
        if self._states:
            yield from (command for one, _ in found if one.state is not None for command in one.state.commit(counts))

    def _add(self, reading: Reading, received_at: float, counts: Counter[str]) -> Iterator[Step | int]:
        number = reading.input
        if self._is_late and number == self._label_input:
            # A label that comes later is used in its order of arrival; its time says what it is about.
            reading.about = None if math.isnan(reading.time) else reading.time
            reading.time = math.nan
        has_time = not math.isnan(reading.time)
        counts["readings"] += 1
        clock = self._clock
        clock.stamp(reading, received_at)
        if not clock.is_started and self._buffer.is_full:
            # Nothing can be released before the clock has started.
            clock.start_now(received_at)
        if clock.is_started:
            self._silence.heard(number, clock.newest)
        if not self._buffer.add(reading, has_time, counts):
            counts["readings_late"] += 1
            behind = self._buffer.frontier + self._buffer.lateness_s - reading.time
            yield Unusable(
                "late",
                f"{self._inputs[number].name}: the reading is {behind:.6g} s behind the newest; the lateness is "
                f"{self._buffer.lateness_s:g} s.",
            )
        yield from self._advance(counts)

    # --- Time -----------------------------------------------------------------------------------------------------

    def _advance(self, counts: Counter[str]) -> Iterator[Step | int]:
        """Do what is due by the time of the stream. If it is left, it goes on when it is called again."""
        clock, buffer = self._clock, self._buffer
        now = clock.newest
        if not clock.is_started:
            return
        buffer.move_frontier(now)
        n = 0
        while (first := buffer.first()) is not None:
            if n:
                yield self._n_read
            n += 1
            time = clock.start if first.time == -math.inf else first.time
            if self._every_s is not None and self._boundary is None:
                # By the first reading in order, whichever came first.
                self._boundary = math.ceil(time / self._every_s)
            yield from self._until(time, counts)
            reading = buffer.pop(counts)
            reading.time = time
            yield from self._apply(reading, counts)
        frontier = buffer.frontier
        yield from self._until(frontier, counts)
        if self._is_late:
            yield from self._labels.give_up(frontier, counts)
        self._silence.update(now, counts)

    def _until(self, time: float, counts: Counter[str]) -> Iterator[Step | int]:
        """Do what is due before a time: nothing that is before it can come any more."""
        every = self._every_s
        n = 0
        while True:
            due = self._labels.next_due()
            boundary = math.inf if every is None or self._boundary is None else self._boundary * every
            if not min(due, boundary) < time:
                return
            if n:
                yield self._n_read
            n += 1
            if due <= boundary:
                yield from self._labels.answer_forecast(counts)
            elif every is not None and self._boundary is not None:
                missed = math.floor((time - boundary) / every) - GAP_EVENTS_MAX
                if missed > 0:
                    counts["rows_skipped"] += missed
                    self._boundary += missed
                self._boundary += 1
                yield from self._ask((self._boundary - 1) * every, None, None, counts)

    def _apply(self, reading: Reading, counts: Counter[str]) -> Iterator[Step]:
        """Use a reading whose turn it is."""
        number, time = reading.input, reading.time
        if number == self._label_input and self._is_late:
            yield from self._labels.answer_late(reading, counts)
            return
        counts["features_dropped"] += self._latest.update(reading)
        if number != self._trigger:
            return
        if self._is_nowcast:
            if self.settings.label.feature in reading.values:
                yield from self._learn_now(reading, counts)
            return
        # What is learned before the prediction makes it better.
        while self._is_complete and self._labels.next_due() <= time:
            yield from self._labels.answer_forecast(counts)
        yield from self._ask(time, reading.id, reading.key, counts)

    # --- Events ---------------------------------------------------------------------------------------------------

    def _row(self, time: float, counts: Counter[str], without: str | None = None) -> dict[str, Any] | None:
        """Features at a time with the derived ones; None if there is none."""
        x = self._latest.at(time)
        if without is not None:
            x.pop(without, None)
        if not x:
            counts["rows_empty"] += 1
            return None
        self._deriver.add(time, x)
        self._deriver.push(time, x)
        counts["rows_forgotten"] += self._deriver.n_short
        return x

    def _learn_now(self, reading: Reading, counts: Counter[str]) -> Iterator[Step]:
        """Make an event of the features at the time of a label that has just come."""
        name = self.settings.label.feature
        y = label_of(reading.values[name], counts)
        if isinstance(y, Unusable):
            yield y
        elif y is not None and (x := self._row(reading.time, counts, without=name)) is not None:
            yield Row(reading.time, x, y, reading.id, reading.key)

    def _ask(self, time: float, name: str | int | None, key: str | None, counts: Counter[str]) -> Iterator[Step]:
        """Make an event that is predicted, and let it wait for its label."""
        x = self._row(time, counts)
        return iter(()) if x is None else self._labels.ask(time, x, name, key, counts)

    # --- What is due, and reports ---------------------------------------------------------------------------------

    @property
    def tick_due(self) -> float:
        """Time by the clock of this machine at which a tick is due if nothing comes before; infinite for none."""
        clock, lateness = self._clock, self._buffer.lateness_s
        if not clock.is_started:
            return clock.arrival_of(-math.inf) + TICK_MARGIN_S
        due = min(self._silence.due, self._buffer.due)
        if self._every_s is not None and self._boundary is not None:
            due = min(due, self._boundary * self._every_s + lateness)
        due = min(due, self._labels.next_due() + lateness)
        return clock.arrival_of(due) + TICK_MARGIN_S

    @property
    def n_waiting(self) -> int:
        """Number of questions that wait for their labels."""
        return self._labels.n_waiting

    @property
    def silent(self) -> list[str]:
        """Names of the inputs that have fallen silent."""
        return [self._inputs[number].name for number in self._silence.silent]

    def problems(self) -> list[str]:
        """Sentences on what decoders miss now, for the operator."""
        return [problem for state in self._states for problem in state.problems()]

    def metrics(self) -> dict[str, float | int]:
        """Numbers of what waits, and the errors of forecasts beside those of the baselines."""
        return {
            "readings_waiting": len(self._buffer),
            "clocks_set_back": self._clock.n_clamped,
            "clocks_held_back": self._clock.n_held_back,
            "arrivals_turned_back": self._clock.n_turned_back,
            "inputs_silent": len(self._silence.silent),
            **self._labels.metrics(),
        }

    def metrics_by_horizon(self) -> dict[float, dict[str, float | int]]:
        """The same of each horizon, where there are several."""
        return self._labels.metrics_by_horizon()

    def describe(self, at: float | None = None) -> list[dict[str, Any]]:
        """Each feature, for people: last value, age in seconds by the clock of the stream, and how often missing.

        Args:
            at: Time by the clock of this machine; that of the newest reading by default.
        """
        latest, now = self._latest, self._clock.newest if at is None else self._clock.at(at)
        return [
            {
                "feature": name,
                "input": self._inputs[number].name,
                "value": value,
                "age_s": now - time,
                "missing": latest.is_missing(name, now),
                "missing_share": latest.missing_share(name),
            }
            for name, time, value, number in latest.save()
        ]

    # --- State ----------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """State as named arrays."""
        frontier, held, last = self._buffer.save()
        number, waiting, answered, times, baselines = self._labels.joins[0].save()
        content = _Content(
            self._latest.save(),
            frontier,
            held,
            last,
            number,
            waiting,
            answered,
            times,
            baselines,
            self._deriver.save(),
            self._boundary,
            self._silence.save(),
            self._latest.save_rows(),
        )
        return {
            "clock": np.array(self._clock.save(), dtype=np.float64),
            "content": np.frombuffer(_encode(content), dtype=np.uint8),
            **self._labels.save_others(),
            **self._save_decoders(),
        }

    def _save_decoders(self) -> dict[str, Any]:
        """State of the decoders that have one."""
        if not self._states:
            return {}
        return {"decoders": np.frombuffer(_encode([one.save() for one in self._states]), dtype=np.uint8)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned.

        Raises:
            ValueError: If it belongs to other settings, or is damaged.
        """
        try:
            content = _decode(state["content"].tobytes())
            decoders = _decode_states(state["decoders"].tobytes()) if self._states else []
        except msgspec.DecodeError as error:
            raise ValueError(f"the state of the assembler is damaged: {error}") from error
        self._clock.restore(state["clock"].tolist())
        self._latest.restore(content.latest, content.rows)
        self._buffer.restore(content.frontier, content.held, content.last)
        self._labels.joins[0].restore(
            content.waiting_number, content.waiting, content.answered, content.times, content.baselines
        )
        self._labels.restore_others(state)
        self._deriver.restore(content.derived)
        self._boundary = content.boundary
        self._silence.restore(content.heard)
        if len(decoders) != len(self._states):
            raise ValueError("The state of the decoders belongs to other inputs.")
        for one, saved in zip(self._states, decoders, strict=True):
            one.restore(saved)
