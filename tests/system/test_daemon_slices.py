"""A daemon whose learner is slow, or whose answers the broker must confirm: nothing waits too long, nothing is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgedescent.engine.slicing import INTERVAL_S
from support.brokers import running_broker
from support.daemon_process import DaemonProcess
from support.device_peer import DevicePeer
from support.event_streams import event, events
from support.notify_socket import NotifySocket
from support.state_folder import bits
from support.waiting import eventually

ARRAY = 300
"""Number of events of one message, which take the network some seconds."""
NETWORK = "hidden = [512, 512]\nreplay_steps = 32"


def array(count: int, first: int = 0) -> bytes:
    return json.dumps([event(first + i) for i in range(count)]).encode()


def waits_for_array(daemon: DaemonProcess) -> int:
    """Wait until the daemon has learned a part of the array."""
    return int(daemon.counted(20)["events_learned"])


def test_a_stop_within_a_long_message_is_heard_and_what_was_learned_is_kept(make_daemon: Any) -> None:
    payloads = [array(ARRAY), array(10, ARRAY)]
    with (
        running_broker("mosquitto") as broker,
        DevicePeer(broker.port) as peer,
        make_daemon(broker.port, learner="MLPRegressor", parameters=NETWORK) as daemon,
    ):
        daemon.connected()
        peer.send(payloads)
        daemon.counted(20)
        daemon.stop()
        # Not behind the array, which it would have learned first.
        daemon.logged("Stopped at message 0 with everything saved")
        daemon.start()
        daemon.logged("Processed messages 1 to 2 of the journal again")
        daemon.counted(ARRAY + 10)
        # The answers to the array came in two messages, and none is missing.
        eventually(lambda: len(peer.answers()) >= ARRAY + 10, "all answers")
        daemon.stop()
        assert {answer["id"] for answer in peer.answers()} == {f"e{i}" for i in range(ARRAY + 10)}
        assert len(peer.answers()) == ARRAY + 10
        engine = daemon.recovered()
        assert bits(engine) == bits(daemon.replayed())
        assert "Traceback" not in daemon.log


def test_within_a_long_message_the_watchdog_is_fed_and_the_metrics_come(make_daemon: Any, tmp_path: Path) -> None:
    notify = NotifySocket(str(tmp_path / "notify"))
    with (
        running_broker("mosquitto") as broker,
        DevicePeer(broker.port) as peer,
        make_daemon(
            broker.port,
            learner="MLPRegressor",
            parameters=NETWORK,
            broker="keepalive_s = 5",
            environment=notify.environment(watchdog_s=0.4),
        ) as daemon,
    ):
        daemon.connected()
        before = len(notify.messages)
        peer.send([array(ARRAY)])
        waits_for_array(daemon)
        fed = notify.messages[before:].count("WATCHDOG=1")
        daemon.counted(ARRAY // 2)
        assert notify.messages[before:].count("WATCHDOG=1") > fed
        assert daemon.status()["messages_waiting"] == 1
        assert daemon.status()["seconds_behind"] > INTERVAL_S
        daemon.counted(ARRAY)
        eventually(lambda: peer.answers_count == 1, "the answer")
        daemon.stop()
        assert "Disconnected" not in daemon.log
    notify.close()


def test_at_full_rate_no_confirmed_answer_is_dropped(make_daemon: Any) -> None:
    payloads = events(0, 20_000)
    with (
        running_broker("mosquitto") as broker,
        DevicePeer(broker.port) as peer,
        make_daemon(broker.port, broker="publish_qos = 1") as daemon,
    ):
        daemon.connected()
        daemon.stop()
        # They wait with the broker, and then come as fast as they can be taken.
        peer.send(payloads)
        daemon.start()
        daemon.counted(len(payloads))
        eventually(lambda: peer.answers_count == len(payloads), "all answers")
        status = daemon.counted(len(payloads))
        assert status["answers_dropped"] == 0
        daemon.stop()


def test_questions_are_answered_before_the_backlog(make_daemon: Any) -> None:
    tables = '[limits]\nquestions = "first"\n'
    with (
        running_broker("mosquitto") as broker,
        DevicePeer(broker.port) as peer,
        make_daemon(broker.port, learner="MLPRegressor", parameters=NETWORK, tables=tables) as daemon,
    ):
        daemon.connected()
        peer.send([*events(0, 300), json.dumps({"id": "question", "x": {"a": 1.0}}).encode()])
        daemon.counted(300)
        eventually(lambda: peer.answers_count == 301, "all answers")
        names = [answer["id"] for answer in peer.answers()]
        assert names.index("question") < 290
        daemon.stop()
        assert bits(daemon.recovered()) == bits(daemon.replayed())
