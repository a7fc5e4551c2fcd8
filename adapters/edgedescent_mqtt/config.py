"""The ``[broker]`` table of the configuration."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edgedescent.errors import ConfigError
from edgedescent_mqtt.client import (
    Connection,
    Protocol,
    Session,
    default_port,
    is_readable_by_all,
    read_password,
    tls_context,
)

Seconds = Annotated[float, Meta(gt=0)]

PACKET_OVERHEAD_BYTES = 65_536
"""Room for topic and properties beside the largest payload."""
CREDENTIALS = "$CREDENTIALS_DIRECTORY/"
"""Prefix of the path of a file that systemd hands to the service (`LoadCredential=`)."""


def resolve_credential(path: str, key: str) -> str:
    """Return the path of a configured file, with `CREDENTIALS` replaced by systemd's folder.

    Args:
        path: Path as it was configured.
        key: The key that gave it, for the error message.

    Raises:
        ConfigError: If the path needs the folder and systemd has set none.
    """
    if not path.startswith(CREDENTIALS):
        return path
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise ConfigError(
            f"`{key}` is {path!r}, but the variable CREDENTIALS_DIRECTORY is not set.",
            f"systemd sets it for a service with a line LoadCredential={path.removeprefix(CREDENTIALS)}:/path/of/file; "
            "on the shell, export it as the folder that has the file.",
        )
    return str(Path(folder) / path.removeprefix(CREDENTIALS))


class Tls(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``[broker.tls]`` table; its presence turns TLS on. Certificates are always verified."""

    ca_file: str | None = None
    """Certificate authorities (PEM); the system's if it is not given."""
    cert_file: str | None = None
    """Certificate of the client (PEM), for brokers that ask for one."""
    key_file: str | None = None
    """Its private key, not encrypted; if it is not given, ``cert_file`` holds the key."""

    def __post_init__(self) -> None:
        if self.key_file is not None and self.cert_file is None:
            raise ConfigError("`broker.tls.cert_file` is missing: a key needs its certificate.")

    def context(self) -> ssl.SSLContext:
        """Read the files and return the TLS settings.

        Raises:
            ConfigError: If a file cannot be used.
        """
        return tls_context("broker.tls", *(self.path_of(name) for name in ("ca_file", "cert_file", "key_file")))

    def path_of(self, name: str) -> str | None:
        """Return the path of one of the files, None if it is not given.

        Raises:
            ConfigError: If it is a credential and systemd has set no folder of credentials.
        """
        path = getattr(self, name)
        return None if path is None else resolve_credential(path, f"broker.tls.{name}")


class BrokerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``[broker]`` table: address of the broker, credentials, session and delays."""

    host: Annotated[str, Meta(min_length=1)] = "localhost"
    port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    """1883, or 8883 with TLS, if it is not given."""
    protocol: Protocol = "5"
    client_id: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    """``edgedescent-<device>`` if it is not given; the broker keeps the session under this name."""
    username: str | None = None
    password_file: str | None = None
    password_env: str | None = None
    qos: int = 1
    """Quality of service of events, 0 or 1. With 1, the broker keeps an event until the journal has it."""
    publish_qos: Literal[0, 1] = 0
    """Quality of service of predictions, metrics and drift alarms. Status and snapshots are always sent with 1."""
    keepalive_s: Annotated[int, Meta(ge=5, le=65535)] = 30
    connect_timeout_s: Annotated[float, Meta(gt=0, le=8)] = 5.0
    reconnect_min_s: Seconds = 0.5
    reconnect_max_s: Seconds = 60.0
    session_expiry_s: Annotated[int, Meta(ge=0, le=4_294_967_295)] = 604_800
    """Time for which the broker keeps events for an absent device (MQTT 5; with 3.1.1 its own setting decides)."""
    receive_max: Annotated[int, Meta(ge=1, le=65535)] = 1000
    """Most unacknowledged events that the broker may send ahead (MQTT 5)."""
    tls: Tls | None = None

    def __post_init__(self) -> None:
        if "/" in self.host or "@" in self.host:
            # Not shown, because addresses of this form may hold a password.
            raise ConfigError(
                "`broker.host` is an address with more than a name in it: expected the name or the number alone.",
                "Port, user and password have keys of their own: `port`, `username`, `password_file`.",
            )
        if self.qos not in (0, 1):
            hint = "QoS 2 is not offered: its acknowledgement cannot wait for the journal. 1 and ids do the same."
            raise ConfigError(f"`broker.qos` is {self.qos}: expected 0 or 1.", hint if self.qos == 2 else "")
        for name in ("client_id", "username"):
            if "\0" in (getattr(self, name) or ""):
                raise ConfigError(f"`broker.{name}` is {getattr(self, name)!r}: expected text without a zero byte.")
        if self.password_file is not None and self.password_env is not None:
            raise ConfigError("`broker`: give `password_file` or `password_env`, not both.")
        if self.username is None and (self.password_file is not None or self.password_env is not None):
            raise ConfigError("`broker.username` is missing: a password needs one.")
        if self.reconnect_max_s < self.reconnect_min_s:
            raise ConfigError(
                f"`broker.reconnect_max_s` is {self.reconnect_max_s:g}: expected at least `reconnect_min_s`, "
                f"which is {self.reconnect_min_s:g}."
            )

    @property
    def port_in_use(self) -> int:
        """Port to connect to."""
        return self.port or default_port(tls=self.tls is not None)

    @property
    def address(self) -> str:
        """Host and port, for messages."""
        return f"{self.host}:{self.port_in_use}"

    def connection(self) -> Connection:
        """Read password and certificates, and return what a client needs to connect.

        Called anew for each attempt, so that the files can be replaced while the daemon runs.

        Raises:
            ConfigError: If a file or a variable is missing or cannot be used.
        """
        return Connection(
            host=self.host,
            port=self.port_in_use,
            protocol=self.protocol,
            username=self.username,
            password=self.password(),
            tls=None if self.tls is None else self.tls.context(),
            keepalive_s=self.keepalive_s,
        )

    def session(self, *, payload_bytes_max: int, resume: bool, expiry_s: int) -> Session:
        """Return the session to ask the broker for."""
        return Session(
            resume=resume,
            expiry_s=expiry_s,
            receive_max=self.receive_max,
            packet_bytes_max=payload_bytes_max + PACKET_OVERHEAD_BYTES,
        )

    def client_id_of(self, device: str) -> str:
        """Return the client id of a device's daemon."""
        return self.client_id or f"edgedescent-{device}"

    def password(self) -> str | None:
        """Read the password from its file or variable; None if there is none.

        Raises:
            ConfigError: If the file or the variable is missing.
        """
        if self.password_file is not None:
            key = "broker.password_file"
            return read_password(resolve_credential(self.password_file, key), key)
        if self.password_env is not None:
            if self.password_env not in os.environ:
                # Its value is not shown: it may be the password itself, put there by mistake.
                raise ConfigError(
                    "`broker.password_env` names a variable that is not set.",
                    "Give the name of an environment variable that holds the password, not the password.",
                )
            return os.environ[self.password_env]
        return None

    def exposed_secrets(self) -> list[str]:
        """Return the paths of the files with secrets that every user of this machine can read."""
        tls = self.tls
        paths = [
            None if self.password_file is None else resolve_credential(self.password_file, "broker.password_file"),
            None if tls is None else tls.path_of("key_file") or tls.path_of("cert_file"),
        ]
        return [path for path in paths if path is not None and is_readable_by_all(path)]
