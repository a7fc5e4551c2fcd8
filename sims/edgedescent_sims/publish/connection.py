"""Where a broker is and how to log in to it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from edgedescent.errors import ConfigError

Protocol = Literal["5", "3.1.1"]

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_FORM = "The form is mqtt://[user@]host[:port], or mqtts:// for TLS."


@dataclass(frozen=True)
class Connection:
    """A broker's address, the protocol to speak and the credentials to show.

    Attributes:
        cafile: The certificates to trust instead of the system's (PEM).
        certfile: The certificate to show the broker (PEM).
        keyfile: Its private key (PEM), if it is not in `certfile`.
    """

    host: str
    port: int
    tls: bool = False
    protocol: Protocol = "5"
    username: str | None = None
    password: str | None = None
    cafile: Path | None = None
    certfile: Path | None = None
    keyfile: Path | None = None

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        protocol: Protocol = "5",
        username: str | None = None,
        password: str | None = None,
        cafile: Path | None = None,
        certfile: Path | None = None,
        keyfile: Path | None = None,
    ) -> Connection:
        """Read an address of the form `mqtt://[user@]host[:port]`.

        Raises:
            ConfigError: The address has another form, carries a password, or the options do not fit it.

        >>> Connection.from_url("mqtts://greenhouse@broker.local")
        Connection(host='broker.local', port=8883, tls=True, protocol='5', username='greenhouse', \
password=None, cafile=None, certfile=None, keyfile=None)
        """
        try:
            parts = urlsplit(url)
            port = parts.port
            # What no host can be called is told here rather than when it is looked up.
            (parts.hostname or "").encode("idna")
        except ValueError as fault:
            raise ConfigError(f"{url!r} is not a broker's address: {fault}.", hint=_FORM) from fault
        if parts.password is not None:
            raise ConfigError(
                "A password in the broker's address can be seen by every user of this machine.",
                hint="Put it into a file and name that with --password-file.",
            )
        if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query or port == 0:
            raise ConfigError(f"{url!r} is not a broker's address.", hint=_FORM)
        in_url = unquote(parts.username) if parts.username else None
        if username is not None and in_url is not None and username != in_url:
            raise ConfigError(f"Two user names are given: {in_url!r} in the address, and {username!r}.")
        name = username if username is not None else in_url
        if password is not None and name is None:
            raise ConfigError("A password is given without a user name.", hint="Add --username.")
        tls = parts.scheme == "mqtts"
        if not tls and (cafile or certfile or keyfile):
            raise ConfigError("Certificates are given, but the address is not mqtts://.", hint=_FORM)
        if keyfile and not certfile:
            raise ConfigError("A private key is given without its certificate.", hint="Add --certfile.")
        return cls(
            parts.hostname,
            port or _PORTS[parts.scheme],
            tls,
            protocol,
            name,
            password,
            cafile,
            certfile,
            keyfile,
        )

    def tls_context(self) -> ssl.SSLContext:
        """Return the TLS settings: the broker's certificate and name are always checked.

        Raises:
            ConfigError: A certificate or key file cannot be used.
        """
        try:
            context = ssl.create_default_context(cafile=self.cafile)
            if self.certfile is not None:
                context.load_cert_chain(self.certfile, self.keyfile)
        except OSError as fault:  # ssl.SSLError is one, too
            raise ConfigError(f"A certificate or key file cannot be used: {fault}.") from fault
        return context

    def __str__(self) -> str:
        """Return the address without credentials, for messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"


def read_password(path: Path) -> str:
    """Return the first line of a password file.

    Raises:
        ConfigError: The file cannot be read or is empty.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigError(f"The password file {path} cannot be read: {fault}.") from fault
    if not lines or not lines[0]:
        raise ConfigError(f"The first line of the password file {path} is empty.")
    return lines[0]
