"""Connecting to the broker: resolving its name, TCP, TLS, and the delays between attempts."""

from __future__ import annotations

import logging
import random
import socket
import ssl
import threading
import time

from edgedescent.errors import ConfigError
from edgedescent_mqtt.client import Connection
from edgedescent_mqtt.config import BrokerConfig

log = logging.getLogger(__name__)

PAHO_REASONS = {0x82: "it does not speak MQTT", 0x8D: "it stopped answering"}
"""Reasons that paho gives for the end of a connection that the broker did not explain, by reason code."""


def open_tcp(connection: Connection, timeout_s: float) -> socket.socket:
    """Open a TCP connection to the broker.

    Args:
        connection: Its address.
        timeout_s: Longest time for each of the addresses that its name has; it stays set on the socket.

    Raises:
        OSError: If the broker cannot be reached.
        ValueError: If its name is not a host name.
    """
    sock = socket.create_connection((connection.host, connection.port), timeout_s)
    # Acknowledgements of small messages must not wait for each other.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def start_tls(sock: socket.socket, host: str, context: ssl.SSLContext) -> ssl.SSLSocket:
    """Return `sock` with TLS, once the broker's certificate is verified; closes it if that fails.

    Raises:
        OSError: If there is no agreement; `ssl.SSLError` is one too.
    """
    try:
        return context.wrap_socket(sock, server_hostname=host)
    except ConnectionError as fault:
        sock.close()
        raise ConnectionError("TLS failed: the connection ended (does this port speak TLS?)") from fault
    except BaseException:
        sock.close()
        raise


def open_socket(connection: Connection, timeout_s: float) -> socket.socket:
    """Open a connection to the broker, with TLS if the connection has it.

    Args:
        connection: Address and TLS settings.
        timeout_s: Longest time for each of the addresses that its name has, and for the TLS handshake.

    Raises:
        OSError: If the broker cannot be reached, or its certificate cannot be trusted.
        ValueError: If its name is not a host name.
    """
    sock = open_tcp(connection, timeout_s)
    return sock if connection.tls is None else start_tls(sock, connection.host, connection.tls)


class ConnectAttempt:
    """One call of `open_socket`, in a thread of its own.

    It is the one thing that the daemon's loop does not do itself: resolving a name can take half a minute and cannot
    be interrupted, and meanwhile signals must be handled. An abandoned attempt ends by itself.

    Args:
        connection: Address and TLS settings.
        timeout_s: See `open_socket`.
    """

    def __init__(self, connection: Connection, *, timeout_s: float) -> None:
        self.connection = connection
        self._timeout_s = timeout_s
        self._abandoned = False
        self._sock: socket.socket | None = None
        self._fault: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="connect", daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end, at most `timeout_s`; returns True if it has ended."""
        self._thread.join(max(timeout_s, 0.0))
        return not self._thread.is_alive()

    def result(self) -> socket.socket:
        """Return the connected socket of an attempt that has ended.

        Raises:
            OSError: If the broker cannot be reached.
            ValueError: If its name is not a host name.
        """
        if self._sock is None:
            raise self._fault or ConnectionError("the attempt was abandoned")
        return self._sock

    def abandon(self) -> None:
        """Close the socket that the attempt has opened or will open."""
        self._abandoned = True
        if self._sock is not None:
            self._sock.close()

    def _run(self) -> None:
        try:
            self._sock = open_socket(self.connection, self._timeout_s)
            if self._abandoned:
                self._sock.close()
        except Exception as fault:  # noqa: BLE001 - raised again in `result`, in the caller's thread
            self._fault = fault


class Backoff:
    """Delays between attempts: they double with each failure, up to a bound, and are jittered.

    Jitter keeps a fleet of devices from all coming back in the same instant.

    Args:
        min_s: The first delay.
        max_s: The longest.
    """

    def __init__(self, min_s: float, max_s: float) -> None:
        self._min_s = min_s
        self._max_s = max_s
        self._failures = 0
        self._until = 0.0

    @property
    def left_s(self) -> float:
        """Time until the next attempt."""
        return max(self._until - time.monotonic(), 0.0)

    def failed(self) -> float:
        """Record a failure; returns the delay until the next attempt."""
        delay = min(self._min_s * 2.0**self._failures, self._max_s)
        # The exponent is bounded too: a power that overflows would end the daemon after a long absence.
        self._failures = min(self._failures + 1, 60)
        delay *= random.uniform(0.5, 1.0)  # noqa: S311 - nothing secret depends on it
        self._until = time.monotonic() + delay
        return delay

    def reset(self) -> None:
        """Record a success: the next delay is the shortest again."""
        self._failures = 0


class Connector:
    """Attempts to reach the broker, one after the other, for a loop that must not block.

    Failures are logged and tried again, because passwords, certificates and networks get repaired while the device
    waits.

    Args:
        config: Address, credentials, timeout and delays.
    """

    def __init__(self, config: BrokerConfig) -> None:
        self._config = config
        self._backoff = Backoff(config.reconnect_min_s, config.reconnect_max_s)
        self._attempt: ConnectAttempt | None = None
        self._exposed = config.exposed_secrets()

    def poll(self, timeout_s: float) -> tuple[socket.socket, Connection] | None:
        """Start an attempt when it is due and wait for it, at most `timeout_s`; the next call continues the wait.

        Returns:
            The connected socket and the settings it was made with; None while there is no connection.
        """
        until = time.monotonic() + timeout_s
        while self._exposed:
            log.warning("Every user of this machine can read %s; chmod o-rwx mends that.", self._exposed.pop())
        try:
            if self._attempt is None:
                wait_s = self._backoff.left_s
                time.sleep(min(wait_s, timeout_s))
                if wait_s > timeout_s:
                    return None
                self._attempt = ConnectAttempt(self._config.connection(), timeout_s=self._config.connect_timeout_s)
            if not self._attempt.wait(until - time.monotonic()):
                return None
            attempt, self._attempt = self._attempt, None
            return attempt.result(), attempt.connection
        except (OSError, ValueError, ConfigError) as error:
            self.failed(explain(error) + key_hint(error))
            return None

    def failed(self, reason: str) -> None:
        """Log that there is no connection, or no more, and schedule the next attempt."""
        delay = self._backoff.failed()
        log.warning(
            "No connection to the broker at %s: %s. Next attempt in %.1f s.", self._config.address, reason, delay
        )

    def reset(self) -> None:
        """Record that a connection was a good one: the next delay is the shortest again."""
        self._backoff.reset()

    def close(self) -> None:
        """Abandon the attempt that is under way."""
        if self._attempt is not None:
            self._attempt.abandon()


def explain(error: Exception) -> str:
    """Return in a few words, for an operator, why a broker was not reached.

    >>> explain(ConnectionRefusedError(111, "Connection refused"))
    'Connection refused'
    >>> explain(TimeoutError())
    'it did not answer in time'
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate cannot be trusted: {error.verify_message.rstrip('.')}"
    if isinstance(error, ssl.SSLError):
        reason = (getattr(error, "reason", None) or "the connection ended").replace("_", " ").lower()
        return f"TLS failed: {reason} (does this port speak TLS?)"
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, UnicodeError):
        return "this is not the name of a host"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def key_hint(error: Exception) -> str:
    """Return a hint at the key of the configuration that an error is about; an empty string if it is about none.

    >>> key_hint(UnicodeError())
    ' (see `broker.host`)'
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return " (see `broker.tls.ca_file`)"
    return " (see `broker.host`)" if isinstance(error, UnicodeError) else ""
