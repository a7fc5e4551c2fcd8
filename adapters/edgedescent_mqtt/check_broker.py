"""The part of `edgedescent check` about the broker: is it there, does it accept us, does it grant what is needed."""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Iterator, Sequence

from edgedescent.errors import ConfigError, TransportError
from edgedescent.interfaces import CheckResult, error, ok, warning
from edgedescent_mqtt.admin_client import MqttAdminClient
from edgedescent_mqtt.client import Connection
from edgedescent_mqtt.config import BrokerConfig
from edgedescent_mqtt.connect import explain, key_hint, open_tcp, start_tls
from edgedescent_mqtt.topics import has_wildcard, is_shared, overlapping, uncovered

VERSION_TOPIC = "$SYS/broker/version"
DROPPED_TOPIC = "$SYS/broker/publish/messages/dropped"
SYSTEM_S = 1.0
"""Time to wait for what the broker retains in its system topics."""
RECEIVE_MAX_SINCE = (2, 0, 15)
"""First version of mosquitto that respects the receive maximum throughout."""
_RULES = "See the broker's access rules."


def check_broker(
    config: BrokerConfig, *, device: str, topics: Sequence[str], outputs: Sequence[str], bytes_max: int, publish: bool
) -> Iterator[CheckResult]:
    """Check the broker as the daemon would meet it, without disturbing the daemon's own session.

    Args:
        config: The ``[broker]`` table.
        device: Name of the device.
        topics: Topic filters of the events.
        outputs: Topics that the daemon publishes to.
        bytes_max: Largest payload.
        publish: True sends one empty message to each output, which is how to learn whether that is allowed.

    Yields:
        The results in order; the first error that makes the rest meaningless is the last one.
    """
    try:
        yield from _check_secrets(config, device)
        connection = config.connection()
    except ConfigError as fault:
        yield error("broker", str(fault), fault.hint)
        return
    for result in _check_connection(connection, config):
        yield result
        if result.level == "error":
            return
    try:
        # Asks for the session that the daemon asks for, and subscribes to nothing: killed here, it leaves no queue.
        expiry_s = config.session_expiry_s
        with MqttAdminClient(
            config, device=device, purpose="check", bytes_max=bytes_max, session_expiry_s=expiry_s
        ) as client:
            who = "without a user name" if config.username is None else f"as {config.username!r}"
            yield ok("login", f"accepted {who}, MQTT {config.protocol}.")
            yield from _check_granted(config, client, topics)
            yield from _check_overlap(config, client, topics)
        with MqttAdminClient(config, device=device, purpose="check", bytes_max=bytes_max) as client:
            yield from _check_subscriptions(config, client, topics)
            if publish:
                yield from _check_outputs(config, client, outputs)
            yield from _check_version(client)
    except (TransportError, ConfigError) as fault:
        yield error("login", str(fault), fault.hint)


def _check_secrets(config: BrokerConfig, device: str) -> Iterator[CheckResult]:
    for path in config.exposed_secrets():
        yield warning("secrets", f"{path} can be read by every user of this machine.", f"chmod o-rwx {path}")
    if config.username is not None and config.client_id is None:
        yield warning(
            "session",
            f"every user of the broker can guess the client id {config.client_id_of(device)!r}, and erase what waits "
            "for the device.",
            "Set `broker.client_id` to a random one: see docs/operating.md.",
        )
    if config.username is not None and config.tls is None and not _is_local(config.host):
        yield warning("secrets", "the password goes over the network unencrypted.", "Add a table [broker.tls].")


def _is_local(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def _check_connection(connection: Connection, config: BrokerConfig) -> Iterator[CheckResult]:
    host = connection.host
    try:
        found = socket.getaddrinfo(host, connection.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as fault:
        yield error("broker", f"the name {host!r} cannot be resolved: {explain(fault)}.", "See `broker.host`.")
        return
    yield ok("name", f"{host} is {', '.join(dict.fromkeys(str(item[4][0]) for item in found))}.")
    try:
        sock = open_tcp(connection, config.connect_timeout_s)
    except OSError as fault:
        yield error("broker", f"{config.address} cannot be reached: {explain(fault)}.", "Is it running?")
        return
    with sock:
        yield ok("connection", f"{config.address} accepts connections.")
        if connection.tls is None:
            return
        try:
            with start_tls(sock, host, connection.tls) as secured:
                yield _check_certificate(secured)
        except OSError as fault:
            yield error("tls", f"{explain(fault)}{key_hint(fault)}.")


def _check_certificate(secured: ssl.SSLSocket) -> CheckResult:
    certificate = secured.getpeercert() or {}
    until = str(certificate.get("notAfter", ""))
    days = (ssl.cert_time_to_seconds(until) - time.time()) / 86_400
    message = f"{secured.version()}, the certificate is trusted until {until}."
    return ok("tls", message) if days > 14 else warning("tls", message, "Renew it: no device connects after that.")


def _check_granted(config: BrokerConfig, client: MqttAdminClient, topics: Sequence[str]) -> Iterator[CheckResult]:
    if config.protocol != "5":
        yield warning(
            "protocol",
            "with MQTT 3.1.1 the broker decides how many events it sends ahead, and how long it keeps a session.",
            'Set broker.protocol = "5" where the broker can.',
        )
        return
    granted = client.granted
    qos = int(granted.get("MaximumQoS", 2))
    if qos < config.qos:
        yield error("qos", f"the broker's best is {qos}, but `broker.qos` is {config.qos}.", "Events could get lost.")
    receive = granted.get("ReceiveMaximum", 65_535)
    aliases = granted.get("TopicAliasMaximum", 0)
    size = granted.get("MaximumPacketSize", "any")
    yield ok(
        "limits",
        f"maximum QoS {min(qos, 2)}, the broker takes {receive} unconfirmed messages, {aliases} topic aliases and "
        f"packets of {size} bytes.",
    )
    # Where the broker does not say otherwise, it grants what was asked for.
    expiry = int(granted.get("SessionExpiryInterval", config.session_expiry_s))
    message = f"events for an absent device are kept for {expiry} s"
    if expiry < config.session_expiry_s:
        hint = "Those of a longer absence are lost."
        yield warning("session", f"{message}; `broker.session_expiry_s` is {config.session_expiry_s}.", hint)
    else:
        yield ok("session", f"{message}.")
    lacking = {
        "wildcards": ("WildcardSubscriptionAvailable", has_wildcard),
        "shared subscriptions": ("SharedSubscriptionAvailable", is_shared),
    }
    for what, (name, needs) in lacking.items():
        if not granted.get(name, 1) and any(needs(topic) for topic in topics):
            yield error("topics", f"the broker knows no {what}.", "Name other filters in `topics.events`.")
    if not granted.get("RetainAvailable", 1):
        yield warning("retain", "the broker retains nothing.", "Status and snapshots reach only who listens then.")


def _check_overlap(config: BrokerConfig, client: MqttAdminClient, topics: Sequence[str]) -> Iterator[CheckResult]:
    if not (pairs := overlapping(topics)):
        return
    one, other = pairs[0]
    message = f"the filters {one!r} and {other!r} overlap"
    if config.protocol == "5" and client.granted.get("SubscriptionIdentifierAvailable", 1):
        yield warning(
            "topics", f"{message}: the broker may send an event once for each.", "Further copies are left out."
        )
    elif not overlapping(uncovered(topics)):
        yield warning("topics", f"{message}: of those that another one covers, none is subscribed to.")
    else:
        yield warning(
            "topics",
            f"{message}: where the broker sends an event for each of them, one without an id is learned twice.",
            "Give the events ids, or name filters that do not overlap.",
        )


def _check_subscriptions(config: BrokerConfig, client: MqttAdminClient, topics: Sequence[str]) -> Iterator[CheckResult]:
    for name, code in client.subscribe(topics).items():
        if code.is_failure:
            yield error("subscription", f"{name} is refused: {code}.", _RULES)
        elif code.value < config.qos:
            yield warning("subscription", f"{name} is granted with QoS {code.value} only.", "Events can get lost.")
        else:
            hint = "Mosquitto grants it even where its acl_file forbids to read: then nothing ever arrives."
            yield ok("subscription", f"{name} is granted with QoS {code.value}.", hint)


def _check_outputs(config: BrokerConfig, client: MqttAdminClient, outputs: Sequence[str]) -> Iterator[CheckResult]:
    if config.protocol != "5":
        yield warning("publishing", "MQTT 3.1.1 has no answer that shows if publishing is allowed.")
        return
    for name in outputs:
        # Empty and not retained: nobody takes it for an answer, and what is retained stays.
        code = client.publish(name, b"")
        if code.is_failure:
            yield error("publishing", f"{name} is refused: {code}.", _RULES)
        else:
            yield ok("publishing", f"{name} is allowed.")


def _check_version(client: MqttAdminClient) -> Iterator[CheckResult]:
    retained = _read_system_topics(client)
    text = retained.get(VERSION_TOPIC, "")
    if not text:
        yield ok(
            "version",
            "the broker does not publish its version.",
            "A Mosquitto before 2.0.15 ignores the receive maximum; see `mosquitto -h`.",
        )
        return
    version = tuple(int(number) for number in re.findall(r"\d+", text)[:3])
    if "mosquitto" not in text.lower():
        yield ok("version", text)
        return
    if version < RECEIVE_MAX_SINCE:
        yield warning(
            "version",
            f"{text} ignores the receive maximum after the first acknowledgement, which versions from 2.0.15 respect.",
            "Set max_inflight_messages in mosquitto.conf, or use a newer one.",
        )
    else:
        yield ok("version", text)
    queue = "Set max_queued_messages in mosquitto.conf to what the longest absence needs; the default is 1000."
    dropped = retained.get(DROPPED_TOPIC, "")
    if dropped.isdigit() and int(dropped):
        yield warning("queue", f"the broker has dropped {dropped} messages since its start.", queue)
    else:
        yield ok("queue", "Mosquitto drops what goes beyond its queue for an absent device, unseen.", queue)


def _read_system_topics(client: MqttAdminClient) -> dict[str, str]:
    """Return what the broker retains in its system topics, by topic."""
    topics = (VERSION_TOPIC, DROPPED_TOPIC)
    replies = client.subscribe(topics)
    wanted = {name for name in topics if not replies[name].is_failure}
    retained: dict[str, str] = {}
    until = time.monotonic() + SYSTEM_S
    while wanted - retained.keys() and (left_s := until - time.monotonic()) > 0:
        for delivery in client.poll(left_s):
            if delivery.topic in wanted:
                retained[delivery.topic] = delivery.payload.decode(errors="replace")[:80]
    return retained
