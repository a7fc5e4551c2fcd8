"""Node-RED reads the predictions of a device by the flow of examples/node_red, and answers them over HTTP.

Not part of `make test`, because Node-RED comes from npm: `make readers` installs it.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.brokers import running_broker
from support.daemon_process import DaemonProcess
from support.device_peer import DevicePeer
from support.event_streams import event
from support.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("NODE_RED", ROOT / "build/readers/node_modules/node-red/red.js"))
FLOW = ROOT / "examples/node_red/predictions.json"
DEVICE = "pump-7"

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason=f"Node-RED is not installed as {PROGRAM}: make readers")


def free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def node_red(folder: Path, broker_port: int) -> Iterator[Callable[[], Any]]:
    """Run Node-RED with the flow at a broker; the function asks it for the newest prediction, None before the first."""
    flow = FLOW.read_text(encoding="utf-8").replace('"port": "1883"', f'"port": "{broker_port}"')
    (folder / "flow.json").write_text(flow, encoding="utf-8")
    port = free_port()

    def newest() -> Any:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/prediction") as answer:
                text = answer.read()
        except OSError:  # It has not started yet.
            return None
        return json.loads(text) if text else None

    with (folder / "log").open("wb") as log:
        command = ["node", PROGRAM, "--userDir", folder, "--port", str(port), folder / "flow.json"]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            eventually(lambda: "Connected to broker" in (folder / "log").read_text(encoding="utf-8"), "Node-RED")
            yield newest
        finally:
            process.terminate()
            process.wait()


@pytest.mark.parametrize("count", [1, 3], ids=["single events", "arrays"])
def test_node_red_shows_the_newest_prediction(tmp_path: Path, count: int) -> None:
    folder = tmp_path / "node-red"
    folder.mkdir()
    with (
        running_broker() as broker,
        DevicePeer(broker.port, DEVICE) as peer,
        DaemonProcess(tmp_path, broker.port, device=DEVICE, broker=f'protocol = "{broker.protocols[0]}"') as daemon,
        node_red(folder, broker.port) as newest,
    ):
        daemon.connected()
        for first in range(0, 30, count):
            events = [event(first + i) for i in range(count)]
            peer.send([json.dumps(events if count > 1 else events[0]).encode()])
            eventually(lambda first=first: peer.answers_count == first // count + 1, "the answer")
            answer = peer.answers()[-1]
            eventually(lambda answer=answer: newest() == answer, f"{answer} in Node-RED")
        daemon.stop()
    assert len({answer["prediction"] for answer in peer.answers()}) > 10
