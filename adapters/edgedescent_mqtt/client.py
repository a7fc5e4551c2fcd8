"""MQTT clients and their settings: the broker's address, TLS, credentials and session.

The daemon's adapter, the operating commands and the publisher of the simulators all connect with these.
"""

from __future__ import annotations

import errno
import ssl
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edgedescent.errors import ConfigError

Protocol = Literal["5", "3.1.1"]

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_FORM = "The form is mqtt://[user@]host[:port], or mqtts:// for TLS."


def default_port(*, tls: bool) -> int:
    """Return the port that MQTT brokers listen on by convention."""
    return _PORTS["mqtts" if tls else "mqtt"]


@dataclass(frozen=True)
class Connection:
    """Everything that is needed to connect to a broker and log in.

    Attributes:
        host: Name or address.
        port: TCP port.
        protocol: Version of MQTT.
        username: Name to log in with; anonymous if None.
        password: Its password.
        tls: TLS settings; plain TCP if None.
        keepalive_s: Longest silence that the broker tolerates, in seconds.
    """

    host: str
    port: int
    protocol: Protocol = "5"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None
    keepalive_s: int = 60

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        protocol: Protocol = "5",
        username: str | None = None,
        password: str | None = None,
        ca_file: str | Path | None = None,
        cert_file: str | Path | None = None,
        key_file: str | Path | None = None,
    ) -> Connection:
        """Return the connection that an address of the form ``mqtt://[user@]host[:port]`` describes.

        Args:
            url: The address; ``mqtts://`` turns TLS on.
            protocol: Version of MQTT.
            username: Name to log in with, if the address has none.
            password: Its password, which an address must not hold.
            ca_file: See `tls_context`.
            cert_file: See `tls_context`.
            key_file: See `tls_context`.

        Raises:
            ConfigError: If the address has another form or holds a password, or the settings contradict it.

        >>> connection = Connection.from_url("mqtt://greenhouse@broker.local")
        >>> connection.host, connection.port, connection.username
        ('broker.local', 1883, 'greenhouse')
        """
        try:
            parts = urlsplit(url)
            port = parts.port
            # A name that cannot exist is reported here rather than when it is looked up.
            (parts.hostname or "").encode("idna")
        except ValueError as fault:
            raise ConfigError(f"{url!r} is not a broker's address: {fault}.", hint=_FORM) from fault
        if parts.password is not None:
            raise ConfigError(
                "A password in the broker's address can be seen by every user of this machine.",
                hint="Put it into a file that only you can read.",
            )
        if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query or port == 0:
            raise ConfigError(f"{url!r} is not a broker's address.", hint=_FORM)
        in_url = unquote(parts.username) if parts.username else None
        if None not in (username, in_url) and username != in_url:
            raise ConfigError(f"Two user names are given: {in_url!r} in the address, and {username!r}.")
        name = username if username is not None else in_url
        if password is not None and name is None:
            raise ConfigError("A password is given without a user name.", hint=_FORM)
        tls = parts.scheme == "mqtts"
        if not tls and any((ca_file, cert_file, key_file)):
            raise ConfigError("Certificates are given, but the address is not mqtts://.", hint=_FORM)
        return cls(
            host=parts.hostname,
            port=port or default_port(tls=tls),
            protocol=protocol,
            username=name,
            password=password,
            tls=tls_context(url, ca_file, cert_file, key_file) if tls else None,
        )

    def __str__(self) -> str:
        """Return the address without credentials, for messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtt' if self.tls is None else 'mqtts'}://{host}:{self.port}"


def tls_context(
    name: str, ca_file: str | Path | None, cert_file: str | Path | None, key_file: str | Path | None
) -> ssl.SSLContext:
    """Return TLS settings that always verify the broker's certificate and name, with TLS 1.2 or newer.

    Args:
        name: The setting that gave the files, for error messages.
        ca_file: Certificate authorities to trust (PEM); the system's if None.
        cert_file: Certificate to show the broker (PEM), for brokers that ask for one.
        key_file: Its private key (PEM), not encrypted; None if it is in `cert_file`.

    Raises:
        ConfigError: If a file cannot be used, or there is a key without a certificate.
    """
    if key_file is not None and cert_file is None:
        raise ConfigError(f"`{name}`: a private key is given without its certificate.")
    given = {"CA file": ca_file, "certificate": cert_file, "key": key_file}
    try:
        context = ssl.create_default_context(cafile=ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if cert_file is not None:
            # Given no password, OpenSSL would ask for that of an encrypted key on the terminal, and wait.
            context.load_cert_chain(cert_file, key_file, password="")
    except OSError as error:  # ssl.SSLError is one too.
        absent = [f"the {what} {str(path)!r}" for what, path in given.items() if path and not Path(path).exists()]
        # OpenSSL does not say which file it is.
        why = f"{absent[0]} does not exist" if absent else error
        raise ConfigError(
            f"`{name}`: the certificates cannot be used: {why}.",
            f"Check {', '.join(f'{what} {str(path)!r}' for what, path in given.items() if path is not None)}.",
        ) from error
    return context


def read_password(path: str | Path, name: str) -> str:
    r"""Return the first line of a password file, without its end (\n or \r\n).

    Args:
        path: The file, in UTF-8.
        name: The setting that gave it, for error messages.

    Raises:
        ConfigError: If the file cannot be read, or its first line is empty.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        # Its value is not shown: it may be the password itself, put there by mistake.
        raise ConfigError(
            f"`{name}` names a file that does not exist.", "Give the path of a file that holds the password."
        ) from error
    except OSError as error:
        # A text too long for a name of a file is none either.
        shown = "" if error.errno == errno.ENAMETOOLONG else f" {path}"
        raise ConfigError(f"`{name}`{shown}: {error.strerror}.") from error
    except UnicodeDecodeError:
        # Without its cause, which holds the file's bytes.
        raise ConfigError(f"`{name}` {path}: not UTF-8.") from None
    except ValueError:
        raise ConfigError(f"`{name}` names no file: its value has a zero byte.") from None
    # Not `splitlines`, which would cut a password at characters such as U+0085 too.
    password = text.partition("\n")[0].removesuffix("\r")
    if not password:
        raise ConfigError(f"`{name}` {path}: its first line is empty.")
    return password


def is_readable_by_all(path: str | Path) -> bool:
    """Return True if every user of this machine can read a file; False if it does not exist."""
    try:
        return bool(Path(path).stat().st_mode & stat.S_IROTH)
    except OSError:
        # The error is reported where the file is opened.
        return False


@dataclass(frozen=True)
class Session:
    """Session to ask the broker for in CONNECT (MQTT 5, section 3.1.2.11).

    With MQTT 3.1.1 only `resume` has an effect.

    Attributes:
        resume: True continues the client id's earlier session; False starts a new one.
        expiry_s: Seconds for which the broker keeps the session of an absent client.
        receive_max: Most messages that the broker may send ahead of their acknowledgements; its default if None.
        packet_bytes_max: Largest packet to receive; no limit if None.
    """

    resume: bool = False
    expiry_s: int = 0
    receive_max: int | None = None
    packet_bytes_max: int | None = None

    def properties(self) -> Properties:
        """Return the CONNECT properties of MQTT 5."""
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = self.expiry_s
        if self.receive_max is not None:
            properties.ReceiveMaximum = self.receive_max
        if self.packet_bytes_max is not None:
            properties.MaximumPacketSize = self.packet_bytes_max
        return properties


class MqttClient(Client):
    """paho's client over a socket that was connected beforehand, such as by `connect.open_socket`.

    It never reconnects by itself. paho has no public way to give it a socket; `_create_socket` is the one place where
    it makes them, also for WebSockets.

    Args:
        client_id: Name under which the broker keeps the session.
        protocol: Version of MQTT.
        session: Session to ask for.
        manual_ack: True leaves acknowledgements of received messages to the caller.
    """

    opened: Any
    """The socket in use."""

    def __init__(
        self, client_id: str, protocol: Protocol, session: Session | None = None, *, manual_ack: bool = False
    ) -> None:
        self._wanted_session = session or Session()
        self._speaks_5 = protocol == "5"
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv5 if self._speaks_5 else MQTTProtocolVersion.MQTTv311,
            clean_session=None if self._speaks_5 else not self._wanted_session.resume,
            # Otherwise paho answers a refusal of 3.1.1 by connecting with 3.1, by itself and at once.
            reconnect_on_failure=False,
            manual_ack=manual_ack,
        )

    def connect_over(self, sock: Any, connection: Connection) -> None:
        """Log in over a connected socket: queue CONNECT, which the caller's loop sends.

        Args:
            sock: A socket, or an object with the part of its interface that paho uses.
            connection: Credentials and keepalive.
        """
        self.opened = sock
        self.username_pw_set(connection.username, connection.password)
        options: dict[str, Any] = {}
        if self._speaks_5:
            options = {
                # paho's default would end an MQTT 5 session, and with it lose the messages that wait in it.
                "clean_start": not self._wanted_session.resume,
                "properties": self._wanted_session.properties(),
            }
        self.connect(connection.host, connection.port, keepalive=connection.keepalive_s, **options)

    def _create_socket(self) -> Any:
        return self.opened
