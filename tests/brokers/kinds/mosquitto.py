"""Eclipse Mosquitto: the one of this machine, and the newest of Debian in a root folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from brokers.kinds.base import DEBIAN, TWICE, Broker, Limitation, first_line
from edgedescent_sims.broker.process import find_mosquitto

_CONFIG = """\
listener {port} 127.0.0.1
allow_anonymous true
max_inflight_messages 1000
max_queued_messages 1000000
max_queued_bytes 268435456
persistence true
persistence_location {folder}/
log_dest stderr
connection_messages false
{options}
"""


class Mosquitto(Broker):
    """The mosquitto of this machine, with persistence."""

    name = "mosquitto"
    protocols = ("5", "3.1.1")

    @classmethod
    def missing(cls) -> str:
        """Return why it cannot run here."""
        return "" if find_mosquitto() else "mosquitto is not installed"

    @classmethod
    def version(cls) -> str:
        """Return its version."""
        return first_line(*cls._program(), "-h").removeprefix("mosquitto version ")

    @classmethod
    def _program(cls) -> list[str]:
        return [find_mosquitto() or "mosquitto"]

    def _command(self) -> list[str]:
        options = [] if self._packet_bytes is None else [f"max_packet_size {self._packet_bytes}"]
        if os.geteuid() == 0:
            options.append("user root")  # Otherwise it becomes another user, who may not write into our folder.
        text = _CONFIG.format(port=self.port, folder=self.path(""), options="\n".join(options))
        (self.folder / "mosquitto.conf").write_text(text)
        return [*self._program(), "-c", self.path("mosquitto.conf")]


class NewestMosquitto(Mosquitto):
    """The mosquitto of Debian's unstable release."""

    name = "mosquitto (newest)"
    limitations: ClassVar[Mapping[str, Limitation]] = {"crossing 3.1.1": TWICE}
    root: ClassVar[Path | None] = DEBIAN

    @classmethod
    def missing(cls) -> str:
        """Return why it cannot run here."""
        return cls.missing_in_root("usr/sbin/mosquitto")

    @classmethod
    def _program(cls) -> list[str]:
        return cls.in_root("/usr/sbin/mosquitto")
