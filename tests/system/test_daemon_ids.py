"""Ids of different sources over a real broker: what one sensor counts is no repeat of what another one does."""

from __future__ import annotations

import json
from typing import Any

from support.device_peer import DevicePeer

FILTER = 'topics.events = ["edgedescent/pump/sensors/+"]\n'


def reading(event_id: int | str, value: float) -> bytes:
    return json.dumps({"id": event_id, "x": {"a": value % 17}, "y": 3 * (value % 17) + value / 1024}).encode()


def listening(daemon: Any) -> Any:
    """The daemon, listening to sensors that have a topic each."""
    daemon.config_path.write_text(FILTER + daemon.config_path.read_text())
    return daemon


def test_every_source_is_heard_and_what_comes_again_is_known_after_kill_9(
    make_daemon: Any, broker: Any, peer: DevicePeer, settings: str
) -> None:
    with listening(make_daemon(broker.port, broker=settings)) as daemon:
        daemon.connected()
        pairs = [(topic, i) for i in range(200) for topic in ("sensors/a", "sensors/b")]
        both = [reading(i, i + 1000 * (topic == "sensors/b")) for topic, i in pairs]
        topics = [topic for topic, _ in pairs]
        peer.send(both, topics=topics)
        status = daemon.counted(400)
        assert (status["duplicates"], status["ids_reused"]) == (0, 0)
        # The sensor a counts anew.
        peer.send([reading(i, i + 5000) for i in range(60)], topics=["sensors/a"] * 60)
        status = daemon.counted(460)
        assert (status["duplicates"], status["ids_reused"]) == (0, 60)
        daemon.logged("had the id of another event .* on 'edgedescent/pump/sensors/a'. They are learned")
        # Digits are another id than a number.
        peer.send([reading("7", 9000)], topics=["sensors/a"])
        daemon.counted(461)
        daemon.kill()
        daemon.start()
        daemon.connected(2)
        peer.send(both, topics=topics)
        status = daemon.counted(400, "duplicates.id")
        assert (status["events_learned"], status["ids_reused"]) == (461, 60)
        # Whoever guesses ids makes no event a repeat.
        peer.send([reading(i, 7.5) for i in range(300, 360)], topics=["sensors/b"] * 60)
        peer.send([reading(i, i) for i in range(300, 360)], topics=["sensors/b"] * 60)
        status = daemon.counted(581)
        assert (status["duplicates"], status["ids_reused"]) == (400, 120)
        daemon.stop()


def test_ids_may_belong_to_the_device_and_be_dropped(
    make_daemon: Any, broker: Any, peer: DevicePeer, settings: str
) -> None:
    tables = '[limits]\nid_scope = "device"\nreused_ids = "drop"'
    with listening(make_daemon(broker.port, broker=settings, tables=tables)) as daemon:
        daemon.connected()
        for topic in ("sensors/a", "sensors/b"):
            peer.send([reading(i, i) for i in range(50)], topics=[topic] * 50)
        status = daemon.counted(50, "duplicates")
        assert (status["events_learned"], status["ids_reused"]) == (50, 0)
        peer.send([reading(i, i + 1) for i in range(50)], topics=["sensors/a"] * 50)
        status = daemon.counted(50, "ids_reused")
        assert (status["events_learned"], status["duplicates"]) == (50, 100)
        daemon.logged("They are dropped")
        daemon.stop()
