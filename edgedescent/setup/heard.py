"""Messages that were heard on a broker, or recorded before."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from edgedescent.config import Config
from edgedescent.errors import ConfigError, TransportError, shown
from edgedescent.state.recording import from_line

MESSAGES_MAX = 200_000
"""Bound on the messages that are kept; later ones are not listened to."""
POLL_S = 0.25


class Heard(NamedTuple):
    """One message."""

    topic: str
    payload: bytes
    received_at: float
    """Time of its arrival, in seconds since 1970."""


def broker_table(url: str) -> dict[str, object]:
    """Table ``[broker]`` of a configuration for a broker's address.

    Args:
        url: ``mqtt://[user@]host[:port]``, or ``mqtts://`` for TLS.

    Raises:
        ConfigError: If it is no such address, or holds a password.

    Example:
        >>> broker_table("mqtts://home@broker.lan:8884")
        {'host': 'broker.lan', 'port': 8884, 'username': 'home', 'tls': {}}
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
        parts = urlsplit("")
    if parts.scheme not in ("mqtt", "mqtts") or not host or parts.path not in ("", "/"):
        raise ConfigError(f"{shown(url)} is no address of a broker: expected mqtt://[user@]host[:port].")
    if parts.password:
        raise ConfigError("The address holds a password, which others can see.", "Give --password-file instead.")
    table: dict[str, object] = {"host": host}
    if port is not None:
        table["port"] = port
    if parts.username:
        table["username"] = unquote(parts.username)
    if parts.scheme == "mqtts":
        table["tls"] = {}
    return table


def listen(
    config: Config, filters: Iterable[str], seconds: float, on_progress: Callable[[float, int], None]
) -> list[Heard]:
    """Messages that are published while this listens, those that the broker retains included.

    Args:
        config: A configuration with the broker.
        filters: Topic filters to subscribe to.
        seconds: Time to listen.
        on_progress: Called with the seconds so far, and the number of messages.

    Raises:
        TransportError: If the broker cannot be reached, or refuses a filter.
    """
    heard: list[Heard] = []
    with config.build_admin_client("init") as connection:
        for name, answer in connection.subscribe(list(filters)).items():
            if answer.is_failure:
                raise TransportError(f"The broker refused the subscription to {name!r}: {answer}.", "Give --topics.")
        began = time.monotonic()
        while (passed := time.monotonic() - began) < seconds and len(heard) < MESSAGES_MAX:
            found = connection.poll(min(POLL_S, seconds - passed))
            heard += [Heard(one.topic, one.payload, time.time()) for one in found]
            on_progress(passed, len(heard))
    return heard


def recorded(path: Path) -> list[Heard]:
    """Messages of a file that ``edgedescent journal export`` wrote.

    Raises:
        ConfigError: If a line of it is none.
    """
    heard: list[Heard] = []
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                message = from_line(line)
            except ValueError as error:
                raise ConfigError(f"{path}, line {number}: {error}.", "Expected a line of `journal export`.") from error
            if message.topic and len(heard) < MESSAGES_MAX:
                heard.append(Heard(message.topic, message.payload, message.received_at))
    return heard
