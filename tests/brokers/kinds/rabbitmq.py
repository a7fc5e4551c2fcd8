"""RabbitMQ with its MQTT plugin: the one of this machine, and the newest of Debian in a root folder."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from brokers.kinds.base import DEBIAN, Broker, Limitation, free_port

_CONFIG = """\
listeners.tcp = none
mqtt.listeners.tcp.1 = 127.0.0.1:{port}
mqtt.allow_anonymous = true
mqtt.exchange = amq.topic
log.console = true
log.console.level = warning
log.file = false
{options}
"""
_SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"


class RabbitMq(Broker):
    """The RabbitMQ of this machine, as a node of its own with a port mapper of its own."""

    name = "RabbitMQ"
    protocols = ("3.1.1",)
    limitations: ClassVar[Mapping[str, Limitation]] = {
        "changed": Limitation("once, but the old ones still come", warning="match no filter of `topics.events`")
    }

    size_keys: ClassVar[tuple[str, ...]] = ("max_message_size",)
    """Keys of its limit on the size of messages or packets."""

    def __init__(self, packet_bytes: int | None = None) -> None:
        super().__init__(packet_bytes)
        self._mapper_port, self._node_port = free_port(), free_port()
        self._mapper: subprocess.Popen[bytes] | None = None

    @classmethod
    def missing(cls) -> str:
        """Return why it cannot run here."""
        return "" if Path(_SERVER).exists() else "rabbitmq-server is not installed"

    @classmethod
    def version(cls) -> str:
        """Return its version."""
        root = cls.root or Path("/")
        (found,) = root.glob("usr/lib/rabbitmq/lib/rabbitmq_server-*")
        return found.name.rpartition("-")[2]

    @property
    def environment(self) -> dict[str, str]:
        """Environment of its process: a node of its own in its folder."""
        return {
            **super().environment,
            "HOME": self.path(""),
            "ERL_EPMD_PORT": str(self._mapper_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"broker{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(self._node_port),
            "RABBITMQ_MNESIA_BASE": self.path("data"),
            "RABBITMQ_LOG_BASE": self.path("log"),
            "RABBITMQ_CONFIG_FILE": self.path("rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": self.path("plugins"),
            "RABBITMQ_PID_FILE": self.path("pid"),
            "RABBITMQ_CONF_ENV_FILE": self.path("none"),
        }

    def start(self) -> None:
        """Start the port mapper and the node."""
        if self._mapper is None:
            self._mapper = subprocess.Popen(self.in_root("epmd"), env=self.environment)
        super().start()

    def close(self) -> None:
        """End both and remove the folder."""
        super().close()
        if self._mapper is not None:
            self._mapper.kill()
            self._mapper.wait()

    def _command(self) -> list[str]:
        options = [] if self._packet_bytes is None else [f"{key} = {self._packet_bytes}" for key in self.size_keys]
        (self.folder / "rabbitmq.conf").write_text(_CONFIG.format(port=self.port, options="\n".join(options)))
        (self.folder / "plugins").write_text("[rabbitmq_mqtt].\n")
        return self.in_root(_SERVER)


class NewestRabbitMq(RabbitMq):
    """The RabbitMQ of Debian's unstable release, which speaks MQTT 5."""

    name = "RabbitMQ (newest)"
    protocols = ("5", "3.1.1")
    limitations: ClassVar[Mapping[str, Limitation]] = {}
    size_keys: ClassVar[tuple[str, ...]] = (
        "mqtt.max_packet_size_unauthenticated",
        "mqtt.max_packet_size_authenticated",
    )
    root: ClassVar[Path | None] = DEBIAN

    @classmethod
    def missing(cls) -> str:
        """Return why it cannot run here."""
        return cls.missing_in_root(_SERVER.removeprefix("/"))
