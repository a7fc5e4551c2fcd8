"""What the daemon promises with every broker: nothing lost, nothing learned twice, nothing stuck.

Where a broker makes that impossible, its class says so (`limitations`), docs/brokers.md gives the reason, and the
daemon must warn in its log.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections import Counter
from typing import Any

import pytest

from brokers.conftest import Brokers, Target
from brokers.kinds.base import Broker
from support.daemon_process import DaemonProcess
from support.event_streams import Sender, event
from support.state_folder import bits
from support.waiting import eventually

KILLS = 10
MESSAGES = 150
"""Messages sent around each kill."""
QUIET_S = 4.0
"""Time without anything learned after which what has not come is lost."""
FORGETS = "The broker has kept the session but does not send"
MARK = b'{"id": "the last one", "x": {"temp": 1.0}, "y": 1.0}'


def payload(content: str, i: int) -> bytes:
    """Event `i` of a stream with ids, without ids, or of equal events."""
    if content == "equal":
        return b'{"x": {"temp": 20.0}, "y": 3.0}'
    made = event(i)
    if content == "no ids":
        del made["id"]
        made["x"]["number"] = i
    return json.dumps(made).encode()


def settled(daemon: DaemonProcess) -> None:
    """Wait until everything is committed and so acknowledged."""
    eventually(lambda: daemon.status().get("messages_uncommitted") == 0, "the commit")


def learned_in(daemon: DaemonProcess) -> Counter[bytes]:
    """How often each payload was learned, from the journal."""
    engine, learned = daemon.config.build_engine(), Counter[bytes]()
    for message in daemon.journal():
        before = engine.counters["events_learned"]
        engine.handle(message)
        learned[message.payload] += engine.counters["events_learned"] - before
    assert bits(daemon.recovered()) == bits(engine)
    return +learned


def wait_for(daemon: DaemonProcess, count: int, *, complete: bool) -> None:
    """Wait until `count` events are learned, or, where some may be missing, until no more comes."""
    if complete:
        daemon.counted(count)
        return
    seen, since = -1, time.monotonic()
    while seen < count and time.monotonic() - since < QUIET_S:
        now = daemon.status().get("events_learned", 0)
        if now != seen:
            seen, since = now, time.monotonic()
        time.sleep(0.05)


def judge(target: Target, case: str, daemon: DaemonProcess, sent: Counter[bytes], record_property: Any) -> None:
    """Compare what was learned with what was sent, within the limitations of the broker."""
    learned = learned_in(daemon)
    lost, twice = sum((sent - learned).values()), sum((learned - sent).values())
    record_property("lost", lost)
    record_property("twice", twice)
    print(f"{sum(sent.values())} sent, {lost} lost, {twice} learned twice")
    limitation = target.limitation(case)
    assert not lost or (limitation is not None and limitation.loses), f"{lost} lost"
    assert not twice or (limitation is not None and limitation.repeats), f"{twice} learned twice"
    if limitation is not None and (lost or twice):
        assert re.search(limitation.warning, daemon.log), f"no warning {limitation.warning!r}"
    assert lost or FORGETS not in daemon.log
    assert "Traceback" not in daemon.log


@pytest.mark.parametrize("case", ["ids", "no ids", "equal"])
def test_ten_kills(target: Target, make_daemon: Any, chance: random.Random, case: str, record_property: Any) -> None:
    record_property("case", case)
    limitation = target.limitation(case)
    complete = limitation is None or not limitation.loses
    sent: list[bytes] = []
    with target.peer() as peer, make_daemon(target, broker="receive_max = 50") as daemon:
        daemon.connected()
        # A first life that ends in order shows how the broker numbers its packets.
        sent += [payload(case, i) for i in range(20)]
        peer.send(sent)
        daemon.counted(20)
        settled(daemon)
        daemon.stop()
        daemon.start()
        for _ in range(KILLS):
            made = [payload(case, len(sent) + i) for i in range(MESSAGES)]
            sent += made
            before, until = peer.answers_count, time.monotonic() + 10
            with Sender(peer, made, pause_s=0.02) as sender:
                if chance.random() < 0.8:
                    while peer.answers_count == before and time.monotonic() < until:
                        time.sleep(0.01)
                    time.sleep(chance.uniform(0.0, 0.15))
                else:
                    # While it starts, recovers or connects.
                    time.sleep(chance.uniform(0.0, 1.0))
                daemon.kill()
                daemon.start()
                sender.join()
        wait_for(daemon, len(sent), complete=complete)
        # Nothing is stuck: what is sent now comes, and the next life gets nothing again.
        peer.send([MARK])
        eventually(lambda: any(answer.get("id") == "the last one" for answer in peer.answers()), "the last answer")
        settled(daemon)
        daemon.stop()
        before, lives = len(daemon.journal()), daemon.log.count("Connected to")
        daemon.start()
        daemon.logged("INFO Connected to", lives + 1)
        time.sleep(0.5)
        daemon.stop()
        assert len(daemon.journal()) == before, "something came again"
        judge(target, case, daemon, Counter([*sent, MARK]), record_property)


@pytest.mark.parametrize(
    ("case", "names"),
    [("overlap", ["p/#", "p/+/e"]), ("crossing", ["p/+/e", "p/1/+"])],
    ids=["overlap", "crossing"],
)
def test_filters_that_overlap(
    target: Target, make_daemon: Any, case: str, names: list[str], record_property: Any
) -> None:
    record_property("case", case)
    complete = target.limitation(case) is None
    # Where copies are learned too, they are waited for, so that none is under way at the kill.
    ends = [50, 100, 150] if complete else [10**9] * 3
    sent = [payload("no ids", i) for i in range(150)]
    with target.peer() as peer, make_daemon(target, topics=target.topics(*names)) as daemon:
        daemon.logged("INFO Receiving")
        for life in range(3):
            peer.send(sent[life * 50 : life * 50 + 50], topics=["p/1/e"] * 50)
            wait_for(daemon, ends[life], complete=complete)
            settled(daemon)
            if life < 2:
                # aedes also ends connections by itself, when a second copy is acknowledged.
                lines = daemon.log.count("INFO Receiving")
                daemon.kill()
                daemon.start()
                daemon.logged("INFO Receiving", lines + 1)
        daemon.stop()
        judge(target, case, daemon, Counter(sent), record_property)
        if target.protocol == "3.1.1" and case == "crossing":
            assert "overlap: where the broker sends an event for each of them" in daemon.log


def test_changed_filters(target: Target, make_daemon: Any, record_property: Any) -> None:
    record_property("case", "changed")
    old, new = target.topics("old/#", "new/#")
    limitation = target.limitation("changed")
    sent = [payload("no ids", i) for i in range(60)]
    unasked = [payload("no ids", i) for i in range(60, 120)]
    with target.peer() as peer, make_daemon(target, topics=[old]) as daemon:
        daemon.logged("INFO Receiving")
        peer.send(sent[:20], topics=["old/1"] * 20)
        daemon.counted(20)
        daemon.stop()
        # These wait in the session for the filter that goes.
        peer.send(unasked[:20], topics=["old/1"] * 20)
        daemon.config_path.write_text(daemon.config_path.read_text().replace(old, new))
        daemon.start()
        daemon.logged("INFO No longer receiving ")
        peer.send(unasked[20:40], topics=["old/1"] * 20)
        peer.send(sent[20:40], topics=["new/1"] * 20)
        daemon.counted(40)
        status = daemon.status()
        # amqtt adds the retained status.
        assert status["messages_unasked"] <= 21 or limitation is not None
        settled(daemon)
        daemon.kill()
        daemon.start()
        daemon.logged("INFO Receiving", 3)
        peer.send(unasked[40:], topics=["old/1"] * 20)
        peer.send(sent[40:], topics=["new/1"] * 20)
        daemon.counted(60)
        assert daemon.status()["messages_unasked"] <= 1 or limitation is not None
        daemon.stop()
        judge(target, "changed", daemon, Counter(sent), record_property)
        assert limitation is None or re.search(limitation.warning, daemon.log)


def test_a_low_packet_limit(
    kind: type[Broker], spoken: tuple[type[Broker], str], brokers: Brokers, make_daemon: Any, record_property: Any
) -> None:
    record_property("case", "limit")
    protocol = spoken[1]
    if protocol not in kind.packet_bytes:
        pytest.skip(f"{kind.name} has no limit that can be set")
    size = kind.packet_bytes[protocol]
    target = Target(brokers.get(kind, size), protocol, "limited")
    # An answer takes three times as many bytes as its question.
    count = size // 10
    questions = b"[" + b",".join([b'{"x":{}}'] * count) + b"]"
    sent = [payload("ids", i) for i in range(20)]
    with target.peer() as peer, make_daemon(target) as daemon:
        daemon.connected()
        before = len(peer.answers())

        def answered() -> bool:
            peer.send([questions])
            settled(daemon)
            until = time.monotonic() + 2
            while len(peer.answers()) < before + count and time.monotonic() < until:
                time.sleep(0.05)
            return len(peer.answers()) >= before + count

        # Where the broker does not say what it takes, it has to end some connections first.
        eventually(answered, "an answer in parts")
        peer.send(sent[:10])
        daemon.counted(10)
        daemon.kill()
        daemon.start()
        peer.send(sent[10:])
        daemon.counted(20)
        settled(daemon)
        daemon.stop()
        assert daemon.log.count("No connection to the broker") <= 4
        assert "split" in daemon.log
        learned = learned_in(daemon)
        assert learned == Counter(sent)


def test_a_restart_of_the_broker(
    kind: type[Broker], spoken: tuple[type[Broker], str], make_daemon: Any, record_property: Any
) -> None:
    record_property("case", "restart")
    broker = kind()
    try:
        broker.start()
        target = Target(broker, spoken[1], "restarted")
        sent = [payload("no ids", i) for i in range(90)]
        with make_daemon(target, broker="receive_max = 50") as daemon:
            daemon.connected()
            with target.peer() as peer:
                peer.send(sent[:30])
                daemon.counted(30)
            daemon.stop()
            with target.peer() as peer:
                # They wait in the session while the broker restarts.
                peer.send(sent[30:60])
            broker.stop()
            broker.start()
            daemon.start()
            daemon.connected(2)
            with target.peer() as peer:
                peer.send(sent[60:])
                limitation = target.limitation("restart")
                wait_for(daemon, 90, complete=limitation is None)
            status = daemon.status()
            daemon.stop()
            assert status["sessions_lost"] == (limitation is not None)
            judge(target, "restart", daemon, Counter(sent), record_property)
    finally:
        broker.close()
