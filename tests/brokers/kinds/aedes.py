"""aedes: a broker library for Node.js, with its persistence in memory."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from brokers.kinds.base import CACHE, TWICE, Broker, Limitation

PACKAGE = CACHE / "node_modules" / "aedes"
SERVER = Path(__file__).with_name("aedes_server.mjs")


class Aedes(Broker):
    """aedes with the settings that it comes with."""

    name = "aedes"
    protocols = ("3.1.1",)
    packet_bytes: ClassVar[Mapping[str, int]] = {}
    limitations: ClassVar[Mapping[str, Limitation]] = {
        "equal": Limitation(
            "once, but for one kill in 200", warning="sends messages again without marking them", loses=True
        ),
        "crossing": Limitation("lost or twice", warning=TWICE.warning, loses=True, repeats=True),
        "restart": Limitation("the session is lost", warning="The broker did not keep the session", loses=True),
    }

    @classmethod
    def missing(cls) -> str:
        """Return why it cannot run here."""
        if shutil.which("node") is None:
            return "node is not installed"
        return "" if PACKAGE.exists() else f"aedes is not installed in {CACHE}"

    @classmethod
    def version(cls) -> str:
        """Return its version."""
        return str(json.loads((PACKAGE / "package.json").read_text())["version"])

    def _command(self) -> list[str]:
        return ["node", str(SERVER), str(CACHE), str(self.port)]
