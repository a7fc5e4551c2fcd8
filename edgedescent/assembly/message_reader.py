"""Readings of the messages that the inputs of a device read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edgedescent.assembly.inputs import RECORDS_MAX, TOPICS_MAX, Input, Reading
from edgedescent.assembly.labels import Unusable
from edgedescent.errors import InvalidEventError

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
        >>> for reading in reader.read(one, levels, "home/meter", b'[{"P": 5, "t": 1}, {"P": 7, "t": {}}]'):
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

    def read(self, one: Input, levels: Levels, topic: str, payload: bytes) -> Iterable[Reading | Unusable]:
        """Readings of a message by one input in order, and what is wrong with it or with one of them.

        Args:
            one: The input.
            levels: Levels of the topic.
            topic: The topic.
            payload: The payload.
        """
        try:
            values = one.decode(payload, self.records_max)
        except InvalidEventError as error:
            return (_unusable(one, error),)
        if len(values) == 1:
            return (_read(one, levels, topic, values[0]),)
        # One after another: there may be thousands.
        return (_read(one, levels, topic, value) for value in values)


def _read(one: Input, levels: Levels, topic: str, value: object) -> Reading | Unusable:
    try:
        return one.read(topic, levels, value)
    except InvalidEventError as error:
        return _unusable(one, error)


def _unusable(one: Input, error: InvalidEventError) -> Unusable:
    return Unusable(error.reason, f"{one.name}: {error}")
