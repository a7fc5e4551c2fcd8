"""`edgedescent watch` beside a real daemon and broker: one picture, from wherever the broker can be reached."""

from __future__ import annotations

import itertools
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from edgedescent_sims.broker.process import BrokerProcess
from support.command_line import run
from support.daemon_process import DaemonProcess
from support.device_peer import DevicePeer
from support.event_streams import events
from support.waiting import eventually

INPUTS = """
[inputs.meter]
topics = ["meter"]
fields = { power = "P" }

[inputs.room]
topics = ["room/{name}"]
format = "scalar"

[assembly]
emit = "meter"

[label]
input = "meter"
feature = "meter.power"
horizon_s = 3600
"""


def picture(config: Path, *options: str, code: int = 0) -> dict[str, Any]:
    result = run("watch", config, "--json", *options)
    assert result.exit_code == code, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_inputs_and_dead_letters_are_seen_from_another_machine(
    broker: BrokerProcess, settings: str, peer: DevicePeer, make_daemon: Any, tmp_path: Path
) -> None:
    with make_daemon(broker.port, broker=settings, tables=INPUTS) as daemon:
        daemon.logged("INFO Receiving ")
        for topic, payload in (("room/hall", b"21.5"), ("meter", b'{"P": 400}'), ("meter", b"\x1b[2J")):
            peer.publish(topic, payload)
        daemon.counted(1, "dead_letters")
        # There the state folder is another one, and the broker has another name.
        elsewhere = tmp_path / "copy.toml"
        text = daemon.config_path.read_text().replace('host = "127.0.0.1"', 'host = "nowhere.invalid"')
        elsewhere.write_text(text.replace(str(daemon.state_path), str(tmp_path / "none")))
        url = f"mqtt://127.0.0.1:{broker.port}"

        def seen() -> dict[str, Any] | None:
            found = picture(elsewhere, "--broker", url)
            return found if found["inputs"]["features"] and found["dead_letters"]["newest"] else None

        found = eventually(seen, "a report")
        assert found["daemon"]["state"] == "online"
        assert [(one["feature"], one["value"]) for one in found["inputs"]["features"]] == [
            ("hall", 21.5),
            ("meter.power", 400.0),
        ]
        assert (found["dead_letters"]["reasons"], found["waiting"]["questions_waiting"]) == ({"malformed": 1}, 1)
        (letter,) = found["dead_letters"]["newest"]
        assert letter["topic"] == "meter"
        shown = run("watch", elsewhere, "--broker", url)
        assert shown.exit_code == 0
        assert "hall         21.5" in shown.stdout
        assert not (tmp_path / "none").exists()
        daemon.stop()


TEMPLATES = """
[topics]
predictions = "plant/{id}/forecast"

[predictions]
payload = '{"of": "{id}", "forecast": {prediction}, "truth": {y}}'
"""


@pytest.mark.parametrize("tables", ["", TEMPLATES], ids=["default", "templates"])
def test_answers_are_seen_and_a_daemon_that_has_ended_is_told(
    broker: BrokerProcess, settings: str, peer: DevicePeer, make_daemon: Any, tables: str
) -> None:
    daemon: DaemonProcess
    with make_daemon(broker.port, broker=settings, metrics_s=0.5, tables=tables) as daemon:
        daemon.connected()
        done = threading.Event()

        def send() -> None:
            # Nobody sends answers again: some must come while it listens.
            numbers = itertools.count()
            while not done.wait(0.02):
                first = next(numbers)
                peer.send(events(first, first + 1))

        def answered() -> dict[str, Any] | None:
            found = picture(daemon.config_path)
            return found if found["answers"] and found["comparisons"] else None

        sender = threading.Thread(target=send)
        sender.start()
        try:
            found = eventually(answered, "answers")
        finally:
            done.set()
            sender.join()
        assert found["inputs"] is None
        assert {"prediction", "y", "id"} <= found["answers"][0].keys()
        assert found["numbers"]["events_learned"] > 0
        daemon.stop()
    peer.state("stopped")
    assert "was stopped" in picture(daemon.config_path, code=1)["daemon"]["problem"]
    shown = run("watch", daemon.config_path, "--once")
    assert shown.exit_code == 1
    assert "The daemon was stopped." in shown.stdout


def test_a_broker_that_cannot_be_reached_is_one_line(make_daemon: Any) -> None:
    daemon = make_daemon(1)
    result = run("watch", daemon.config_path, "--once")
    assert result.exit_code == 1
    assert result.output.startswith("Error: The broker at 127.0.0.1:1 cannot be reached: ")
    assert result.output.count("\n") == 1
    result = run("watch", daemon.config_path, "--broker", "http://x", "--json")
    assert "is no address of a broker" in result.output
    assert run("watch", daemon.config_path, "--password-file", "x").exit_code == 2
