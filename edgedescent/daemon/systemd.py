"""Telling systemd how the daemon is: the protocol of ``sd_notify(3)``, one datagram a message."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping, MutableMapping
from typing import Self

log = logging.getLogger(__name__)

STATUS_MAX = 200
FEEDS_PER_TIMEOUT = 4
"""How often the watchdog is fed in the time that it waits."""
EXTENSION_S = 60.0
"""How much more time a recovery asks for, each time it has got on."""
_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class SystemdNotifier:
    """Whoever started the daemon and watches over it; without one, nothing is sent.

    The watchdog is fed by `progress` alone, which the loop calls at the end of a turn: a loop that hangs is noticed
    even where a timer or a thread would still run.

    Args:
        address: of the socket; an abstract one begins with ``@``. None where nobody listens.
        watchdog_s: how long the watchdog waits; never where it is None.
        clock: the time.
    """

    def __init__(
        self, address: str | None, watchdog_s: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._address = address
        self._feed_s = None if watchdog_s is None else watchdog_s / FEEDS_PER_TIMEOUT
        self._clock = clock
        self._fed_at = -float("inf")
        self._extended_at = -float("inf")
        self._status = ""
        self._deaf = False

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str] = os.environ) -> Self:
        """The supervisor that the environment names; its variables are taken away, so that no child speaks for us."""
        address, watchdog_s = environment.get("NOTIFY_SOCKET"), _watchdog_s(environment)
        for name in _VARIABLES:
            environment.pop(name, None)
        return cls(address or None, watchdog_s)

    def ready(self) -> None:
        """Say that the daemon is at work."""
        self._send("READY=1")

    def stopping(self) -> None:
        """Say that the daemon is on its way out."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Say in a line how it is; the same line is said once."""
        if text != self._status:
            self._status = text
            self._send(f"STATUS={' '.join(text.split())[:STATUS_MAX]}")

    def progress(self) -> None:
        """Feed the watchdog, if it is time to."""
        if self._feed_s is None:
            return
        now = self._clock()
        if now - self._fed_at >= self._feed_s:
            self._fed_at = now
            self._send("WATCHDOG=1")

    def still_starting(self) -> None:
        """Ask for more time to start, or to stop, because there is progress; the watchdog is fed too."""
        self.progress()
        now = self._clock()
        if now - self._extended_at >= EXTENSION_S / FEEDS_PER_TIMEOUT:
            self._extended_at = now
            self._send(f"EXTEND_TIMEOUT_USEC={int(EXTENSION_S * 1e6)}")

    def _send(self, message: str) -> None:
        if self._address is None:
            return
        # The name of an abstract socket begins with a zero byte (unix(7)).
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                # A supervisor that does not read must not hold up the loop.
                sock.setblocking(False)
                sock.sendto(message.encode(errors="replace"), address)
            self._deaf = False
        except OSError as error:
            if not self._deaf:
                name = message.partition("=")[0]
                log.warning("The supervisor at %s cannot be told %s: %s.", self._address, name, error.strerror)
            self._deaf = True
            self._fed_at = -float("inf")


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    """How long the watchdog waits, if it waits for this process."""
    pid, micros = environment.get("WATCHDOG_PID"), environment.get("WATCHDOG_USEC", "")
    if pid and pid != str(os.getpid()):
        return None
    return int(micros) / 1e6 if micros.isascii() and micros.isdigit() and int(micros) > 0 else None
