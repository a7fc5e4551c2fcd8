"""A daemon that is sent messages over mosquitto and killed on the way, and what must be left of it."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from edgedescent.config import Config
from edgedescent.engine.messages import Message
from edgedescent.errors import EdgeDescentError
from edgedescent.state import codec, recording
from edgedescent.state.disk import Disk
from edgedescent.state.position_file import PositionFile
from edgedescent.state.recovery import recover
from edgedescent.state.store import POSITION_FILE, Store

PATIENCE_S = 120.0
BROKER_AND_STATE = """
[broker]
host = "127.0.0.1"
port = {port}
reconnect_min_s = 0.1
reconnect_max_s = 1.0
[state]
path = "{folder}/state"
"""
"""Tables of the configuration of a daemon that is killed; `port` and `folder` are filled in."""


@dataclass(frozen=True)
class Sent:
    """Message that is published."""

    topic: str
    payload: bytes


def drive(path: Path, port: int, messages: Sequence[Sent], *, kills: int, seed: int) -> None:
    """Publish messages while a daemon runs, which is killed and started again at random moments, then stopped.

    Args:
        path: configuration of the daemon, in a folder of its own with the state in ``state``.
        port: port of the broker.
        messages: the messages; the last one is different from all others.
        kills: how often the daemon is killed.
        seed: decides the moments.

    Raises:
        EdgeDescentError: if it does not take all messages in time, or ends with an error.
    """
    dice = random.Random(seed + 1)  # noqa: S311 - a repeatable stream, not a secret
    moments = sorted(dice.randrange(1, len(messages)) for _ in range(kills))
    daemon = start_daemon(path)
    try:
        _wait_for(path, lambda: "Receiving" in _log(path), "the daemon to subscribe")
        client = mqtt.Client(CallbackAPIVersion.VERSION2)
        client.max_inflight_messages_set(500)
        client.connect("127.0.0.1", port)
        client.loop_start()
        for number, message in enumerate(messages):
            while moments and number >= moments[0]:
                moments.pop(0)
                daemon.kill()
                daemon.wait()
                daemon = start_daemon(path)
            sent = client.publish(message.topic, message.payload, 1)
            if number % 500 == 499 or number == len(messages) - 1:
                sent.wait_for_publish(PATIENCE_S)
        client.disconnect()
        client.loop_stop()
        _wait_for(path, lambda: _last(path) == messages[-1].payload, "the last message in the journal")
        daemon.send_signal(signal.SIGTERM)
        if daemon.wait(PATIENCE_S):
            raise EdgeDescentError(f"The daemon ended with {daemon.returncode}:\n{_log(path)[-2000:]}")
    finally:
        daemon.kill()
        daemon.wait()


def start_daemon(path: Path) -> subprocess.Popen[bytes]:
    """Start the daemon on a configuration; its log is ``daemon.log`` beside it."""
    with (path.parent / "daemon.log").open("ab") as log:
        return subprocess.Popen([sys.executable, "-m", "edgedescent", "run", str(path)], stderr=log)


def _log(path: Path) -> str:
    return (path.parent / "daemon.log").read_text()


def _last(path: Path) -> bytes:
    """Payload of the last message in the journal that is no tick."""
    folder = path.parent / "state"
    # A journal without this file, as a kill can leave it for a while, is warned of each time it is read.
    end = PositionFile(folder / POSITION_FILE, Disk()).read().position
    if not end:
        return b""
    newest = [message.payload for message in recording.read(folder, after=end - 10) if message.topic]
    return newest[-1] if newest else b""


def _wait_for(path: Path, condition: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > until:
            raise EdgeDescentError(f"Waited {PATIENCE_S:g} s for {what}. The log of the daemon:\n{_log(path)[-2000:]}")
        time.sleep(0.1)


def differences_of_state(config: Config, messages: Iterable[Message]) -> list[str]:
    """Parts of the state of a device that differ from those of an engine that took its messages without a restart."""
    store = Store(config.state.path, read_only=True)
    try:
        recovered = recover(config, store).state_dict()
    finally:
        store.close()
    engine = config.build_engine()
    for message in messages:
        engine.handle(message)
    replayed = engine.state_dict()
    if recovered.keys() != replayed.keys():
        return ["the state has other parts"]
    return [
        f"the state {name} differs from that of a run without kills"
        for name in replayed
        if codec.encode({"a": recovered[name]}) != codec.encode({"a": replayed[name]})
    ]
