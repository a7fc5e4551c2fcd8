"""Reaching the broker: resolve its name, connect, agree on TLS."""

from __future__ import annotations

import random
import socket
import ssl
import threading
import time

ENDED_BY_PAHO = {0x82: "it does not speak MQTT", 0x8D: "it stopped answering"}
"""What paho thinks of an end that the broker did not explain, by reason code."""


class ConnectAttempt:
    """One attempt to reach a broker, in a thread of its own.

    It is the one thing that the daemon's loop does not do itself: looking up a name can take half a minute and cannot
    be interrupted, and meanwhile signals must be answered. An attempt that nobody waits for ends by itself.

    Args:
        host: name or address.
        port: of the broker.
        timeout_s: for each address that the name has, and for agreeing on TLS.
        context: the TLS settings; plain TCP without.
    """

    def __init__(self, host: str, port: int, *, timeout_s: float, context: ssl.SSLContext | None) -> None:
        self._address = (host, port)
        self._timeout_s = timeout_s
        self._context = context
        self._abandoned = False
        self._sock: socket.socket | None = None
        self._fault: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="reach-broker", daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float) -> bool:
        """Whether it has come to an end, after at most `timeout_s`."""
        self._thread.join(max(timeout_s, 0.0))
        return not self._thread.is_alive()

    def result(self) -> socket.socket:
        """The connected socket of an attempt that has ended.

        Raises:
            OSError: if the broker cannot be reached.
            ValueError: if its name cannot be one.
        """
        if self._sock is None:
            raise self._fault or ConnectionError("the attempt was given up")
        return self._sock

    def abandon(self) -> None:
        """Say that nobody will ask for the result: a socket that comes of it is closed."""
        self._abandoned = True
        if self._sock is not None:
            self._sock.close()

    def _run(self) -> None:
        try:
            self._sock = self._connect()
            if self._abandoned:
                self._sock.close()
        except Exception as fault:  # noqa: BLE001 - raised again in `result`, in the thread that can tell about it
            self._fault = fault

    def _connect(self) -> socket.socket:
        sock = socket.create_connection(self._address, self._timeout_s)
        try:
            # Acknowledgements of small messages must not wait for each other.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return self._context.wrap_socket(sock, server_hostname=self._address[0]) if self._context else sock
        except ConnectionError as fault:
            sock.close()
            raise ConnectionError("TLS failed: the connection ended (does this port speak TLS?)") from fault
        except BaseException:
            sock.close()
            raise


class Backoff:
    """Delays between attempts: they double with each failure, up to a bound, and are jittered.

    Jitter keeps a fleet of devices from all coming back in the same instant.
    """

    def __init__(self, min_s: float, max_s: float) -> None:
        self._min_s = min_s
        self._max_s = max_s
        self._failures = 0
        self._until = 0.0

    @property
    def left_s(self) -> float:
        """How long to wait until the next attempt."""
        return max(self._until - time.monotonic(), 0.0)

    def failed(self) -> float:
        """Note a failure; returns the delay until the next attempt."""
        delay = min(self._min_s * 2.0**self._failures, self._max_s)
        # The exponent is bounded too: a power that overflows would end the daemon after a long absence.
        self._failures = min(self._failures + 1, 60)
        delay *= random.uniform(0.5, 1.0)  # noqa: S311 - nothing secret depends on it
        self._until = time.monotonic() + delay
        return delay

    def reset(self) -> None:
        """Note that all is well: the next failure is the first."""
        self._failures = 0


def explain(error: Exception) -> str:
    """Say in a few words, for an operator, why a broker was not reached.

    >>> explain(ConnectionRefusedError(111, "Connection refused"))
    'Connection refused'
    >>> explain(TimeoutError())
    'it did not answer in time'
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate cannot be trusted: {error.verify_message.rstrip('.')} (see `broker.tls.ca_file`)"
    if isinstance(error, ssl.SSLError):
        reason = (getattr(error, "reason", None) or "the connection ended").replace("_", " ").lower()
        return f"TLS failed: {reason} (does this port speak TLS?)"
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, UnicodeError):
        return "this cannot be a host's name (see `broker.host`)"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
