"""Socket that receives what a service tells systemd."""

from __future__ import annotations

import socket


class NotifySocket:
    """A datagram socket in place of the one that systemd names in NOTIFY_SOCKET.

    Args:
        address: Path of the socket; with "@" in front, a name in Linux's abstract namespace.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._messages: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self._socket.setblocking(False)

    def environment(self, watchdog_s: float) -> dict[str, str]:
        """The variables that make a service use it."""
        return {"NOTIFY_SOCKET": self.address, "WATCHDOG_USEC": str(int(watchdog_s * 1e6))}

    def receive(self) -> list[str]:
        """The messages that have arrived since the last call."""
        found: list[str] = []
        while True:
            try:
                found.append(self._socket.recv(65_536).decode())
            except BlockingIOError:
                self._messages += found
                return found

    @property
    def messages(self) -> list[str]:
        """All messages that have arrived so far."""
        self.receive()
        return self._messages

    def close(self) -> None:
        """Free the address."""
        self._socket.close()
