"""amqtt: a broker in Python, which is the embedded broker of the demo."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from collections.abc import Mapping
from typing import ClassVar

from brokers.kinds.base import TWICE, Broker, Limitation

_FORGETS = Limitation(
    "what was under way at a kill is lost",
    warning=r"does not send (\d+ )?messages again",
    loses=True,
)


class Amqtt(Broker):
    """amqtt with a user: it keeps nothing for sessions without one."""

    name = "amqtt"
    protocols = ("3.1.1",)
    username = "device"
    password = "secret of the device"
    packet_bytes: ClassVar[Mapping[str, int]] = {}
    limitations: ClassVar[Mapping[str, Limitation]] = {
        "ids": _FORGETS,
        "no ids": _FORGETS,
        "equal": _FORGETS,
        "restart": Limitation("the session is lost", warning="The broker did not keep the session", loses=True),
        "crossing": Limitation("twice, or lost at a kill", warning=TWICE.warning, loses=True, repeats=True),
    }

    @classmethod
    def missing(cls) -> str:
        """Return why it cannot run here."""
        return "" if importlib.util.find_spec("amqtt") else "amqtt is not installed (the extra `demo` has it)"

    @classmethod
    def version(cls) -> str:
        """Return its version."""
        return importlib.metadata.version("amqtt")

    def _command(self) -> list[str]:
        from pwdlib import PasswordHash
        from pwdlib.hashers.argon2 import Argon2Hasher

        hashed = PasswordHash((Argon2Hasher(),)).hash(self.password)
        (self.folder / "passwords").write_text(f"{self.username}:{hashed}\n")
        return [sys.executable, "-c", _PROGRAM, str(self.port), self.path("passwords")]


_PROGRAM = """\
import asyncio, logging, signal, sys
from amqtt.broker import Broker

async def main():
    logging.basicConfig(level=logging.ERROR)
    broker = Broker({
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{sys.argv[1]}"}},
        "plugins": {"amqtt.plugins.authentication.FileAuthPlugin": {"password_file": sys.argv[2]}},
    })
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await broker.start()
    await ended.wait()

asyncio.run(main())
"""
