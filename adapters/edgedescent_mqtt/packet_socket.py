"""Socket that takes the events out of a connection and gives paho-mqtt every other packet, one at a time and whole."""

from __future__ import annotations

import socket
import ssl

from edgedescent.interfaces import Delivery
from edgedescent_mqtt._packet_reader import take_events
from edgedescent_mqtt.buffered_socket import BufferedSocket
from edgedescent_mqtt.packets import PING, PINGRESP, variable_length


class PacketSocket(BufferedSocket):
    """Buffered socket that knows where packets begin, so that events can bypass paho.

    Call `read` first; then, in turns, `take_events` and, as long as `grant` returns True, paho's `loop_read`.
    """

    def __init__(self, inner: socket.socket | ssl.SSLSocket) -> None:
        super().__init__(inner)
        self._granted = 0
        """Bytes that paho may read: the rest of a packet."""
        self._partial = bytearray()
        """Beginning of a packet whose end has not arrived."""
        self._partial_size = 0
        """Its full size; 0 where that is not known."""
        self._ended = False
        self.pings = 0
        """Number of pings sent."""
        self.pings_answered = 0
        """Number of them that the broker has answered; it handles packets in order."""

    def ping(self) -> int:
        """Queue a PINGREQ; returns its number."""
        self.queue(PING)
        self.pings += 1
        return self.pings

    def send(self, data: bytes) -> int:
        """Queue bytes for `flush`, as paho asks for; returns their number."""
        sent = super().send(data)
        # paho sends one packet at a time.
        self.pings += data == PING
        return sent

    def read(self) -> int:
        """Read once, unless packets wait that arrived before; returns the number of bytes.

        A fault is kept for paho's next `recv`.
        """
        if self.buffered or self._ended:
            return self.buffered
        try:
            received = self._receive()
        except OSError:
            return 0
        self._ended = not received
        if len(self._partial) + len(received) < self._partial_size:
            self._partial += received
        else:
            self._incoming, self._taken = b"".join((self._partial, received)), 0
            self._partial.clear()
            self._partial_size = 0
        return len(received)

    def take_events(self, generation: int, *, five: bool, count_max: int, bytes_max: int) -> list[Delivery]:
        """Return the events that come before the next packet for paho; the arguments are those of the packet reader.

        Raises:
            ValueError: If a packet is malformed.
        """
        events, self._taken = take_events(
            self._incoming, self._taken, generation, five=five, count_max=count_max, bytes_max=bytes_max
        )
        return events

    def grant(self) -> bool:
        """Let paho read the next packet, or the end of the connection; returns False if there is neither.

        Raises:
            ValueError: If the packet is malformed.
        """
        found = variable_length(self._incoming, self._taken + 1)
        end = sum(found) if found else 0
        if found and end <= len(self._incoming):
            self._granted = end - self._taken
            self.pings_answered += self._incoming[self._taken] == PINGRESP
            return True
        if self.buffered:
            self._partial += self._incoming[self._taken :]
            self._partial_size = end - self._taken if found else 0
            self._incoming, self._taken = b"", 0
        return self._ended or self.fault is not None

    def recv(self, size: int) -> bytes:
        """Return up to `size` bytes of the packet that `grant` released; none at the end of the stream.

        Raises:
            BlockingIOError: If the whole packet was read.
            OSError: If the connection is lost.
        """
        if self._granted:
            taken = super().recv(min(size, self._granted))
            self._granted -= len(taken)
            return taken
        if self.fault is not None:
            raise self.fault
        if self._ended:
            return b""
        raise BlockingIOError

    def fail(self, fault: OSError) -> None:
        """Discard what is buffered; from now on `recv` and `send` raise `fault`."""
        super().fail(fault)
        self._granted = self._partial_size = 0
        self._partial.clear()
