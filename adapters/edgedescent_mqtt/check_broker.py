"""Whether a broker is there, lets us in, and grants what the daemon needs: one finding after another."""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Iterator, Sequence

from edgedescent.errors import ConfigError, TransportError
from edgedescent.findings import CheckResult, error, ok, warning
from edgedescent_mqtt.admin_client import MqttAdminClient
from edgedescent_mqtt.config import Broker
from edgedescent_mqtt.connect import explain

VERSION_TOPIC = "$SYS/broker/version"
DROPPED_TOPIC = "$SYS/broker/publish/messages/dropped"
SYSTEM_S = 1.0
"""How long to wait for what the broker retains about itself."""
HONEST_SINCE = (2, 0, 15)
"""The first mosquitto that heeds the receive maximum throughout."""
_RULES = "See the broker's access rules."


def probe(
    config: Broker, *, device: str, topics: Sequence[str], outputs: Sequence[str], bytes_max: int, publish: bool
) -> Iterator[CheckResult]:
    """Look at the broker as the daemon would meet it, without disturbing the daemon's own session.

    Args:
        config: how the daemon connects.
        device: its name.
        topics: the filters of the events.
        outputs: the topics that the daemon publishes to.
        bytes_max: the largest payload.
        publish: send one empty message to each output, which is how to learn whether that is allowed.
    """
    yield from _secrets(config)
    for finding in _reach(config):
        yield finding
        if finding.level == "error":
            return
    try:
        # Asks for the session that the daemon asks for, and subscribes to nothing: killed here, it leaves no queue.
        expiry_s = config.session_expiry_s
        with MqttAdminClient(
            config, device=device, purpose="check", bytes_max=bytes_max, session_expiry_s=expiry_s
        ) as visitor:
            yield ok("login", f"accepted as {config.username or 'nobody in particular'}, MQTT {config.protocol}.")
            yield from _granted(config, visitor)
        with MqttAdminClient(config, device=device, purpose="check", bytes_max=bytes_max) as visitor:
            yield from _subscriptions(config, visitor, topics)
            if publish:
                yield from _outputs(config, visitor, outputs)
            yield from _kind(visitor)
    except (TransportError, ConfigError) as fault:
        yield error("login", str(fault), fault.hint)


def _secrets(config: Broker) -> Iterator[CheckResult]:
    for path in config.exposed_secrets():
        yield warning("secrets", f"{path} can be read by every user of this machine.", f"chmod o-rwx {path}")
    if config.username is not None and config.tls is None and not _is_local(config.host):
        yield warning("secrets", "the password goes over the network unencrypted.", "Add a table [broker.tls].")


def _is_local(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def _reach(config: Broker) -> Iterator[CheckResult]:
    try:
        found = socket.getaddrinfo(config.host, config.port_in_use, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as fault:
        yield error("broker", f"the name {config.host!r} cannot be resolved: {explain(fault)}.", "See `broker.host`.")
        return
    yield ok("name", f"{config.host} is {', '.join(dict.fromkeys(str(item[4][0]) for item in found))}.")
    try:
        sock = socket.create_connection((config.host, config.port_in_use), config.connect_timeout_s)
    except OSError as fault:
        yield error("broker", f"{config.address} cannot be reached: {explain(fault)}.", "Is it running?")
        return
    with sock:
        yield ok("connection", f"{config.address} accepts connections.")
        if config.tls is None:
            return
        try:
            with config.tls.context().wrap_socket(sock, server_hostname=config.host) as secured:
                yield _certificate(secured)
        except ConfigError as fault:
            yield error("tls", str(fault), fault.hint)
        except OSError as fault:
            yield error("tls", f"{explain(fault)}.")


def _certificate(secured: ssl.SSLSocket) -> CheckResult:
    certificate = secured.getpeercert() or {}
    until = str(certificate.get("notAfter", ""))
    days = (ssl.cert_time_to_seconds(until) - time.time()) / 86_400
    message = f"{secured.version()}, the certificate is trusted until {until}."
    return ok("tls", message) if days > 14 else warning("tls", message, "Renew it: no device connects after that.")


def _granted(config: Broker, visitor: MqttAdminClient) -> Iterator[CheckResult]:
    if config.protocol != "5":
        yield warning(
            "protocol",
            "with MQTT 3.1.1 the broker decides how many events it sends ahead, and how long it keeps a session.",
            'Set broker.protocol = "5" where the broker can.',
        )
        return
    granted = visitor.granted
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
    if not granted.get("RetainAvailable", 1):
        yield error("retain", "the broker retains nothing.", "Status and snapshots reach only who listens then.")


def _subscriptions(config: Broker, visitor: MqttAdminClient, topics: Sequence[str]) -> Iterator[CheckResult]:
    for name, code in visitor.subscribe(topics).items():
        if code.is_failure:
            yield error("subscription", f"{name} is refused: {code}.", _RULES)
        elif code.value < config.qos:
            yield warning("subscription", f"{name} is granted with QoS {code.value} only.", "Events can get lost.")
        else:
            hint = "Mosquitto grants it even where its acl_file forbids to read: then nothing ever arrives."
            yield ok("subscription", f"{name} is granted with QoS {code.value}.", hint)


def _outputs(config: Broker, visitor: MqttAdminClient, outputs: Sequence[str]) -> Iterator[CheckResult]:
    if config.protocol != "5":
        yield warning("publishing", "whether it is allowed cannot be told: MQTT 3.1.1 has no such answer.")
        return
    for name in outputs:
        # Empty and not retained: nobody takes it for an answer, and what is retained stays.
        code = visitor.publish(name, b"")
        if code.is_failure:
            yield error("publishing", f"{name} is refused: {code}.", _RULES)
        else:
            yield ok("publishing", f"{name} is allowed.")


def _kind(visitor: MqttAdminClient) -> Iterator[CheckResult]:
    told = _told_about_itself(visitor)
    text = told.get(VERSION_TOPIC, "")
    if not text:
        yield ok(
            "version",
            "the broker does not tell its version.",
            "A Mosquitto before 2.0.15 ignores the receive maximum; see `mosquitto -h`.",
        )
        return
    version = tuple(int(number) for number in re.findall(r"\d+", text)[:3])
    if "mosquitto" not in text.lower():
        yield ok("version", text)
        return
    if version < HONEST_SINCE:
        yield warning(
            "version",
            f"{text} ignores the receive maximum after the first acknowledgement, which versions from 2.0.15 heed.",
            "Set max_inflight_messages in mosquitto.conf, or use a newer one.",
        )
    else:
        yield ok("version", text)
    queue = "Set max_queued_messages in mosquitto.conf to what the longest absence needs; the default is 1000."
    dropped = told.get(DROPPED_TOPIC, "")
    if dropped.isdigit() and int(dropped):
        yield warning("queue", f"the broker has dropped {dropped} messages since its start.", queue)
    else:
        yield ok("queue", "Mosquitto drops what goes beyond its queue for an absent device, unseen.", queue)


def _told_about_itself(visitor: MqttAdminClient) -> dict[str, str]:
    topics = (VERSION_TOPIC, DROPPED_TOPIC)
    answers = visitor.subscribe(topics)
    wanted = {name for name in topics if not answers[name].is_failure}
    told: dict[str, str] = {}
    until = time.monotonic() + SYSTEM_S
    while wanted - told.keys() and (left_s := until - time.monotonic()) > 0:
        for delivery in visitor.poll(left_s):
            if delivery.topic in wanted:
                told[delivery.topic] = delivery.payload.decode(errors="replace")[:80]
    return told
