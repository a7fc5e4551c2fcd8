"""Messages sent with QoS 1 that the broker has not confirmed."""

from __future__ import annotations

from collections import deque

from paho.mqtt.client import MQTTMessageInfo


class Unconfirmed:
    """Queue of messages that wait for the broker's confirmation, with their total size.

    Attributes:
        bytes: Size of their payloads.
    """

    def __init__(self) -> None:
        self._messages: deque[tuple[MQTTMessageInfo, int]] = deque()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, info: MQTTMessageInfo, size: int) -> None:
        """Add a message that was just sent."""
        self._messages.append((info, size))
        self.bytes += size

    def forget_confirmed(self) -> None:
        """Remove the messages at the front that the broker has confirmed by now."""
        while self._messages and self._messages[0][0].is_published():
            self.bytes -= self._messages.popleft()[1]
