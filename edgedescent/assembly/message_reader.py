"""Readings of the messages that the inputs of a device read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from edgedescent.assembly.inputs import RECORDS_MAX, TOPICS_MAX, Input, Reading
from edgedescent.assembly.labels import Unusable
from edgedescent.errors import InvalidEventError
from edgedescent.formats import DecoderState

Levels = dict[str, str]
"""Levels of a topic by their names."""


class MessageReader:
    """Reads messages by the inputs that want them, which it remembers for each topic.

    Args:
        inputs: The inputs.

    Attributes:
        records_max: Bound on the readings of one message; one with more is not used.

    Example:
        >>> from edgedescent.assembly import InputSpec
        >>> reader = MessageReader([Input("meter", 0, InputSpec(topics=("home/+",), time="t", records=True))])
        >>> [(one, levels)] = reader.find("home/meter")
        >>> payload = b'[{"P": 5, "t": 1}, {"P": 7, "t": {}}]'
        >>> for reading in reader.read(one, levels, "home/meter", payload, 100.0):
        ...     print(reading.values if isinstance(reading, Reading) else reading.reason)
        {'meter.P': 5.0, 'meter.t': 1.0}
        wrong_type
    """

    def __init__(self, inputs: Sequence[Input]) -> None:
        self._inputs = inputs
        self.records_max = RECORDS_MAX
        self._topics: dict[str, list[tuple[Input, Levels]]] = {}

    def find(self, topic: str) -> list[tuple[Input, Levels]]:
        """Inputs that read a topic, each with its levels."""
        found = self._topics.get(topic)
        if found is None:
            found = [(one, levels) for one in self._inputs if (levels := one.match(topic)) is not None]
            if len(self._topics) < TOPICS_MAX:
                self._topics[topic] = found
        return found

    def read(
        self, one: Input, levels: Levels, topic: str, payload: bytes, received_at: float
    ) -> Iterable[Reading | Unusable]:
        """Readings of a message by one input in order, and what is wrong with it or with one of them.

        Args:
            one: The input.
            levels: Levels of the topic.
            topic: The topic.
            payload: The payload.
            received_at: Time of its arrival.
        """
        if one.state is not None:
            return self._read_records(one, one.state, levels, topic, payload, received_at)
        try:
            values = one.decode(payload, self.records_max)
        except InvalidEventError as error:
            return (_unusable(one, error),)
        if len(values) == 1:
            return (_read(one, levels, topic, values[0]),)
        # One after another: there may be thousands.
        return (_read(one, levels, topic, value) for value in values)

    def _read_records(
        self, one: Input, state: DecoderState, levels: Levels, topic: str, payload: bytes, received_at: float
    ) -> Iterator[Reading | Unusable]:
        try:
            records = state.decode(topic, payload, received_at)
        except InvalidEventError as error:
            yield _unusable(one, error)
            return
        if len(records) > self.records_max:
            text = f"The message has {len(records)} readings, more than the {self.records_max} that are taken."
            records = [InvalidEventError("too_many_events", text)]
        for record in records:
            if isinstance(record, InvalidEventError):
                yield _unusable(one, record)
            else:
                yield _read(one, levels, record.source, record.values, record.time)


def _read(one: Input, levels: Levels, topic: str, value: object, time: float = math.nan) -> Reading | Unusable:
    try:
        return one.read(topic, levels, value, time)
    except InvalidEventError as error:
        return _unusable(one, error)


def _unusable(one: Input, error: InvalidEventError) -> Unusable:
    return Unusable(error.reason, f"{one.name}: {error}")
