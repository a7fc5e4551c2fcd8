"""The ``[broker]`` table."""

from __future__ import annotations

import os
import ssl
import stat
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edgedescent.errors import ConfigError

Seconds = Annotated[float, Meta(gt=0)]

PACKET_OVERHEAD_BYTES = 65_536
"""Room for topic and properties beside the largest payload."""
CREDENTIALS = "$CREDENTIALS_DIRECTORY/"
"""Begins the path of a file that systemd hands to the service (`LoadCredential=`)."""


def resolved(path: str, name: str) -> str:
    """The path of a file that the configuration gives as `name`, in the folder of credentials if it says so.

    Raises:
        ConfigError: if there is no such folder.
    """
    if not path.startswith(CREDENTIALS):
        return path
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise ConfigError(
            f"`{name}` is {path!r}, but the variable CREDENTIALS_DIRECTORY is not set.",
            f"systemd sets it for a service with a line LoadCredential={path.removeprefix(CREDENTIALS)}:/path/of/file; "
            "on the shell, export it as the folder that has the file.",
        )
    return str(Path(folder) / path.removeprefix(CREDENTIALS))


class Tls(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``[broker.tls]`` table; its presence turns TLS on. Certificates are always verified."""

    ca_file: str | None = None
    """Certificate authorities in PEM; the system's own where it is not given."""
    cert_file: str | None = None
    key_file: str | None = None
    """Not encrypted; where it is not given, the key is in ``cert_file``."""

    def __post_init__(self) -> None:
        if self.key_file is not None and self.cert_file is None:
            raise ConfigError("`broker.tls.cert_file` is missing: a key needs its certificate.")

    def context(self) -> ssl.SSLContext:
        """The TLS settings.

        Raises:
            ConfigError: if a file cannot be used.
        """
        ca_file, cert_file, key_file = (self.path_of(name) for name in ("ca_file", "cert_file", "key_file"))
        try:
            context = ssl.create_default_context(cafile=ca_file)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if cert_file is not None:
                # Without a password given, OpenSSL would ask the terminal for one and wait.
                context.load_cert_chain(cert_file, key_file, password="")
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"`broker.tls`: the certificates cannot be used: {error}.",
                f"Check ca_file = {self.ca_file!r}, cert_file = {self.cert_file!r}, key_file = {self.key_file!r}.",
            ) from error
        return context

    def path_of(self, name: str) -> str | None:
        """The path of one of the files; None where it is not given.

        Raises:
            ConfigError: if it is a credential, and there are none.
        """
        path = getattr(self, name)
        return None if path is None else resolved(path, f"broker.tls.{name}")


class Broker(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which broker to use and how."""

    host: Annotated[str, Meta(min_length=1)] = "localhost"
    port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    """1883, or 8883 with TLS, where it is not given."""
    protocol: Literal["5", "3.1.1"] = "5"
    client_id: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    """``edgedescent-<device>`` where it is not given; the broker keeps the session under this name."""
    username: str | None = None
    password_file: str | None = None
    password_env: str | None = None
    qos: int = 1
    """Of the events, 0 or 1. With 1, the broker keeps an event until the journal has it."""
    publish_qos: Literal[0, 1] = 0
    """Of predictions and metrics. Status and snapshots are always sent with 1."""
    keepalive_s: Annotated[int, Meta(ge=5, le=65535)] = 30
    connect_timeout_s: Annotated[float, Meta(gt=0, le=8)] = 5.0
    reconnect_min_s: Seconds = 0.5
    reconnect_max_s: Seconds = 60.0
    session_expiry_s: Annotated[int, Meta(ge=0, le=4_294_967_295)] = 604_800
    """How long the broker keeps events for an absent device (MQTT 5; with 3.1.1 its own setting decides)."""
    receive_max: Annotated[int, Meta(ge=1, le=65535)] = 1000
    """How many unacknowledged events the broker may send ahead (MQTT 5)."""
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
        """The port to connect to."""
        return self.port or (8883 if self.tls else 1883)

    @property
    def address(self) -> str:
        """Host and port, for messages."""
        return f"{self.host}:{self.port_in_use}"

    def password(self) -> str | None:
        """The password, read anew so that it can be changed while the daemon runs.

        Raises:
            ConfigError: if the file or the variable is missing.
        """
        if self.password_file is not None:
            path = resolved(self.password_file, "broker.password_file")
            try:
                return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
            except OSError as error:
                raise ConfigError(f"`broker.password_file` {path}: {error.strerror}.") from error
            except UnicodeDecodeError:
                # Without its cause: that would hold a part of the password.
                raise ConfigError(f"`broker.password_file` {path}: not UTF-8.") from None
        if self.password_env is not None:
            if self.password_env not in os.environ:
                raise ConfigError(f"`broker.password_env`: the variable {self.password_env} is not set.")
            return os.environ[self.password_env]
        return None

    def exposed_secrets(self) -> list[str]:
        """The files with secrets that every user of this machine can read."""
        tls = self.tls
        paths = [
            None if self.password_file is None else resolved(self.password_file, "broker.password_file"),
            None if tls is None else tls.path_of("key_file") or tls.path_of("cert_file"),
        ]
        return [path for path in paths if path is not None and _is_open(Path(path))]


def _is_open(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        # Whoever needs the file says what is wrong with it.
        return False
