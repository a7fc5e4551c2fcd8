"""Notifications to systemd: the protocol of ``sd_notify(3)``, with one datagram for each message."""

from __future__ import annotations

import logging
import os
import socket
import time
import weakref
from collections.abc import Callable, Mapping, MutableMapping
from typing import Self

log = logging.getLogger(__name__)

STATUS_MAX = 200
"""Length to which a status line is cut."""
KEEPALIVES_PER_TIMEOUT = 4
"""Number of keep-alive messages sent to the watchdog within its timeout."""
EXTENSION_S = 60.0
"""Time by which a recovery or a stop that makes progress extends systemd's timeout."""
_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class SystemdNotifier:
    """Client of systemd's notification socket; sends nothing if there is none.

    Only `progress`, which the loop calls at the end of each turn, sends keep-alive messages to the watchdog. So a
    blocked loop is noticed even if a timer or another thread would still run.

    Args:
        address: Address of the socket; an abstract one begins with ``@``. None if systemd did not start the process.
        watchdog_s: Timeout of the watchdog; None if it is off.
        clock: Monotonic clock.
    """

    def __init__(
        self, address: str | None, watchdog_s: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._address = address
        self._keepalive_s = None if watchdog_s is None else watchdog_s / KEEPALIVES_PER_TIMEOUT
        self._clock = clock
        self._kept_alive_at = -float("inf")
        self._extended_at = -float("inf")
        self._status = ""
        self._failing = False
        self._socket: socket.socket | None = None
        """Kept open, so that a process without a free descriptor is not killed by the watchdog."""

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str] = os.environ) -> Self:
        """Create a notifier from systemd's environment variables.

        The variables are removed, so that no child process sends notifications in the daemon's name.

        Args:
            environment: The environment variables.
        """
        address, watchdog_s = environment.get("NOTIFY_SOCKET"), _watchdog_s(environment)
        for name in _VARIABLES:
            environment.pop(name, None)
        return cls(address or None, watchdog_s)

    def ready(self) -> None:
        """Notify systemd that the start is complete."""
        self._send("READY=1")

    def stopping(self) -> None:
        """Notify systemd that the daemon is stopping."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Set the status line that ``systemctl status`` shows; an unchanged line is not sent again."""
        if text != self._status:
            self._status = text
            self._send(f"STATUS={' '.join(text.split())[:STATUS_MAX]}")

    def progress(self) -> None:
        """Send a keep-alive message to the watchdog if one is due."""
        if self._keepalive_s is None:
            return
        now = self._clock()
        if now - self._kept_alive_at >= self._keepalive_s:
            self._kept_alive_at = now
            self._send("WATCHDOG=1")

    def extend_timeout(self) -> None:
        """Extend the timeout of a start or a stop that makes progress, and send a keep-alive message if one is due."""
        self.progress()
        now = self._clock()
        if now - self._extended_at >= EXTENSION_S / KEEPALIVES_PER_TIMEOUT:
            self._extended_at = now
            self._send(f"EXTEND_TIMEOUT_USEC={int(EXTENSION_S * 1e6)}")

    def _send(self, message: str) -> None:
        if self._address is None:
            return
        # The name of an abstract socket begins with a zero byte (unix(7)).
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
                # A full socket must not block the loop.
                self._socket.setblocking(False)
                weakref.finalize(self, self._socket.close)
            self._socket.sendto(message.encode(errors="replace"), address)
            self._failing = False
        except OSError as error:
            if not self._failing:
                name = message.partition("=")[0]
                log.warning(
                    "The notification %s cannot be sent to systemd at %s: %s.", name, self._address, error.strerror
                )
            self._failing = True
            # The next keep-alive message is sent at once.
            self._kept_alive_at = -float("inf")


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    """Timeout of the watchdog in seconds; None if it is off or meant for another process."""
    pid, micros = environment.get("WATCHDOG_PID"), environment.get("WATCHDOG_USEC", "")
    if pid and pid != str(os.getpid()):
        return None
    return int(micros) / 1e6 if micros.isascii() and micros.isdigit() and int(micros) > 0 else None
