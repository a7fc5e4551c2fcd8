"""Messages on their way from the broker to the learner: slices, order, answers that wait, and load."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edgedescent.daemon.answers import HOLD_MAX_S
from edgedescent.daemon.load import SATURATED_S
from edgedescent.daemon.loop import DRAIN_S, LEARN_S
from edgedescent.interfaces import Delivery
from edgedescent.state.store import Store
from support.daemon_harness import DaemonHarness, MakeHarness, event
from support.slow_learner import make_slow
from support.state_folder import bits

TURN_MAX_S = 0.15


def array(count: int, first: int = 0) -> bytes:
    return b"[" + b",".join(event(first + i) for i in range(count)) + b"]"


def question(name: str) -> bytes:
    return json.dumps({"id": name, "x": {"a": 1.0}}).encode()


def slow(harness: DaemonHarness, monkeypatch: pytest.MonkeyPatch, event_s: float) -> None:
    def move(seconds: float) -> None:
        harness.clock.now += seconds

    make_slow(monkeypatch, event_s, move)


def journal(harness: DaemonHarness) -> list[bytes]:
    store = Store(harness.config.state.path, read_only=True)
    try:
        return [message.payload for message in store.read(0)]
    finally:
        store.close()


def expected(harness: DaemonHarness) -> bytes:
    """State of an engine that learned the journal and was never stopped."""
    engine = harness.config.build_engine()
    for message in harness.store.read(0):
        engine.handle(message)
    return bits(engine)


# --- Slices -----------------------------------------------------------------------------------------------------------


def test_each_turn_is_short_whatever_a_message_takes(make: MakeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    harness = make().recover()
    slow(harness, monkeypatch, 0.002)
    harness.transport.arriving.append([array(1000), event(5000)])
    turns = 0
    while harness.learned < 1001:
        before = harness.clock.now
        harness.daemon.turn(0.25)
        turns += 1
        assert harness.clock.now - before < TURN_MAX_S
        assert harness.daemon.metrics()["messages_waiting"] == (
            2 if harness.learned < 1000 else 0 + (harness.learned < 1001)
        )
    assert turns > 15
    # A message is durable and acknowledged in time, whether it is learned or not.
    assert harness.history[:2] == ["append", "acknowledge"]
    assert [len(answer) for answer in harness.transport.of("predictions")] == [1000, 3]


def test_a_checkpoint_waits_for_the_end_of_a_message(make: MakeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    harness = make(state={"checkpoint_interval_s": 0.5}).recover()
    slow(harness, monkeypatch, 0.002)
    harness.transport.arriving += [[array(1000, first)] for first in (0, 1000)]
    while harness.learned < 1000:
        harness.daemon.turn(0.25)
        assert "checkpoint" not in harness.history or harness.learned >= 1000
    while harness.learned < 2000:
        harness.daemon.turn(0.25)
    assert harness.history.count("checkpoint") >= 1


def test_a_stop_within_a_message_keeps_what_was_learned_of_it(
    make: MakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = make().recover()
    slow(harness, monkeypatch, 0.01)
    payloads = [event(9000), array(1000), event(9001)]
    harness.transport.arriving.append(payloads)  # type: ignore[arg-type]
    for _ in range(5):
        harness.daemon.turn(0.25)
    stopped_at = harness.clock.now
    harness.daemon.stop()
    harness.daemon.run()
    assert harness.clock.now - stopped_at < LEARN_S + TURN_MAX_S
    assert harness.transport.acknowledged == payloads
    learned = harness.learned
    assert 20 < learned < 200
    assert sum(map(len, harness.transport.of("predictions")[1:])) == learned - 1
    harness.restart()
    harness.recover()
    assert harness.learned == 1002
    assert bits(harness.daemon.engine) == expected(harness)
    harness.receive()
    # The answers to the array come in two messages.
    assert next(len(answers) for answers in harness.transport.of("predictions")) == 1001 - learned


@pytest.mark.parametrize("kill", [False, True])
def test_stopped_or_killed_again_and_again_it_learns_everything_once(
    make: MakeHarness, monkeypatch: pytest.MonkeyPatch, kill: bool
) -> None:
    harness = make()
    slow(harness, monkeypatch, 0.01)
    harness.recover()
    payloads = [array(300, 1000 * i) for i in range(4)]
    for payload in payloads:
        harness.transport.arriving.append([payload])
        harness.daemon.turn(0.25)
        harness.clock.now += 1.0
        harness.daemon.turn(0.25)
        if kill:
            harness.store.close()
        else:
            harness.daemon.stop()
            harness.daemon.run()
            assert harness.daemon.engine.begun is not None
        packet_id = harness.transport.packet_id
        harness.restart()
        harness.transport.packet_id = packet_id
        harness.recover()
    assert harness.learned == 1200
    assert bits(harness.daemon.engine) == expected(harness)


def test_a_slow_learner_does_not_make_a_stop_wait(make: MakeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    harness = make().recover()
    slow(harness, monkeypatch, 0.05)
    harness.transport.arriving = [[event(10 * i + j) for j in range(10)] for i in range(20)]
    harness.daemon.stop()
    began = harness.clock.now
    harness.daemon.run()
    assert harness.clock.now - began < DRAIN_S
    # Whatever was received is durable.
    assert journal(harness) == harness.transport.acknowledged
    assert harness.learned < len(journal(harness))


# --- Questions first --------------------------------------------------------------------------------------------------


def test_questions_are_answered_before_the_backlog(make: MakeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    harness = make(limits={"questions": "first"}).recover()
    slow(harness, monkeypatch, 0.04)
    harness.transport.arriving = [[event(i) for i in range(10)], [question("a"), event(10)], [question("b")]]
    for _ in range(20):
        harness.daemon.turn(0.0)
    harness.wait(1.0)
    names = [answer["id"] for answer in harness.transport.of("predictions")]
    assert names.index("a") <= 3
    assert names.index("b") <= 5
    assert sorted(names) == sorted([f"e{i}" for i in range(11)] + ["a", "b"])
    # The journal is in the order of learning, and acknowledgements are in the order of receipt (MQTT-4.6.0-2).
    assert [json.loads(payload)["id"] for payload in journal(harness)] == names
    assert harness.transport.acknowledged == [
        *(event(i) for i in range(10)),
        question("a"),
        event(10),
        question("b"),
    ]


def test_without_the_setting_the_order_is_that_of_receipt(make: MakeHarness) -> None:
    harness = make().recover()
    harness.receive(event(1), question("a"), event(2))
    assert [answer["id"] for answer in harness.transport.of("predictions")] == ["e1", "a", "e2"]


def test_a_question_is_not_acknowledged_before_what_came_earlier(
    make: MakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = make(limits={"questions": "first"}, state={"commit_interval_s": 0.01}).recover()
    slow(harness, monkeypatch, 0.06)
    harness.receive(event(1), event(2), question("a"))
    assert len(journal(harness)) == 1
    assert harness.transport.acknowledged == []
    for _ in range(4):
        harness.wait(0.1)
    assert harness.transport.acknowledged == [event(1), event(2), question("a")]


def test_what_came_over_an_earlier_connection_is_learned_first(make: MakeHarness) -> None:
    harness = make(limits={"questions": "first"}).recover()

    def over(generation: int, payload: bytes, packet_id: int) -> Delivery:
        return Delivery("edgedescent/pump/events", payload, packet_id, 1, generation=generation)

    harness.receive(over(1, event(1), 1), over(2, event(2), 2), over(2, question("a"), 3))
    harness.wait(1.0)
    messages = list(harness.store.read(0))
    assert [message.packet_id for message in messages] == [1, 3, 2]
    # The first packet id is that of the first message received, not of the first one learned.
    assert [message.connection and message.connection.first_id for message in messages] == [1, 2, None]


# --- Answers that cannot be sent --------------------------------------------------------------------------------------


class Refusing:
    """Broker that takes a number of answers."""

    def __init__(self, harness: DaemonHarness, monkeypatch: pytest.MonkeyPatch) -> None:
        self.takes = 0
        publish = harness.transport.publish

        def refuse(topic: str, payload: bytes, *, retain: bool = False) -> bool:
            if topic.endswith("predictions"):
                if not self.takes:
                    return False
                self.takes -= 1
            return bool(publish(topic, payload, retain=retain))

        monkeypatch.setattr(harness.transport, "publish", refuse)


def test_learning_waits_for_answers_to_be_sent(make: MakeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    harness = make(limits={"answers_bytes_max": 10_000}).recover()
    broker = Refusing(harness, monkeypatch)
    harness.transport.arriving = [[event(10 * i + j) for j in range(10)] for i in range(20)]
    for _ in range(30):
        harness.receive()
    assert 15 < harness.learned < 25
    broker.takes = 5
    harness.receive()
    assert harness.learned < 25, "until there is room for many"
    while harness.learned < 200 or harness.daemon.metrics()["answers_waiting"]:
        broker.takes = 7
        harness.receive()
    assert harness.daemon.metrics()["answers_dropped"] == 0
    assert [answer["id"] for answer in harness.transport.of("predictions")] == [f"e{i}" for i in range(200)]


def test_a_broker_that_takes_no_answer_does_not_stop_learning_for_ever(
    make: MakeHarness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    harness = make(limits={"answers_bytes_max": 10_000}, metrics={"interval_s": 1.0}).recover()
    Refusing(harness, monkeypatch)
    harness.transport.arriving = [[event(10 * i + j) for j in range(10)] for i in range(20)]
    for _ in range(5):
        harness.wait(HOLD_MAX_S / 6)
    assert harness.learned < 25
    for _ in range(60):
        harness.wait(1.0)
    assert harness.learned == 200
    metrics = harness.daemon.metrics()
    assert metrics["answers_dropped"] + metrics["answers_waiting"] == 200
    said = [record.getMessage() for record in caplog.records]
    assert len([line for line in said if "has taken no answer" in line]) == 1
    assert any("answers so far were dropped" in line for line in said)


def test_a_stop_sends_the_answers_that_wait(make: MakeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    harness = make(limits={"answers_bytes_max": 10_000}).recover()
    broker = Refusing(harness, monkeypatch)
    harness.receive(*[event(i) for i in range(10)])
    broker.takes = 100
    harness.daemon.stop()
    harness.daemon.run()
    assert len(harness.transport.of("predictions")) == 10


# --- Load -------------------------------------------------------------------------------------------------------------


def feed(harness: DaemonHarness, seconds: float, per_turn: int, first: int) -> int:
    """Let events come in every turn; returns the number of the next one."""
    until = harness.clock.now + seconds
    while harness.clock.now < until:
        harness.clock.now += 0.001
        harness.transport.packet_id %= 60_000
        harness.receive(*[event(first + i) for i in range(per_turn)])
        first += per_turn
    return first


def test_a_saturated_learner_is_told(
    make: MakeHarness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    harness = make(metrics={"interval_s": 2.0}).recover()
    slow(harness, monkeypatch, 0.01)
    feed(harness, SATURATED_S + 4.0, 10, 0)
    metrics = harness.transport.of("metrics")[-1]
    assert metrics["saturated"] == 1
    assert metrics["busy"] > 0.95
    assert metrics["events_per_busy_second"] == pytest.approx(100, rel=0.1)
    assert metrics["messages_waiting"] > 50
    assert metrics["seconds_behind"] > 0.3
    said = [record.getMessage() for record in caplog.records if "busy all the time" in record.getMessage()]
    assert len(said) == 1
    assert harness.transport.of("status")[-1]["state"] == "catching_up"
    for _ in range(4000):
        harness.wait(0.05)
    metrics = harness.daemon.metrics()
    assert (metrics["saturated"], metrics["messages_waiting"], metrics["seconds_behind"]) == (0, 0, 0.0)


def test_by_sampling_it_stays_up_to_date(
    make: MakeHarness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    harness = make(limits={"backlog": "sample"}, metrics={"interval_s": 2.0}).recover()
    slow(harness, monkeypatch, 0.01)
    count = feed(harness, 60.0, 10, 0)
    harness.receive(question("a"))
    metrics = harness.daemon.metrics()
    assert metrics["messages_shed"] > 100
    assert 0 < metrics["share_learned"] < 1
    assert metrics["seconds_behind"] < 3.0
    while harness.transport.arriving or harness.daemon.metrics()["messages_waiting"]:
        harness.wait(0.1)
    for _ in range(20):
        harness.wait(1.0)
    metrics = harness.daemon.metrics()
    assert metrics["share_learned"] == 1.0
    assert metrics["messages"] + metrics["messages_shed"] == count + 1
    assert len(harness.transport.acknowledged) == count + 1
    assert harness.transport.of("predictions")[-1]["id"] == "a"
    assert len([record for record in caplog.records if "only a share" in record.getMessage()]) >= 1


@pytest.mark.parametrize(
    ("value", "behind"),
    [(-5.0, 5.0), (-5000, 5.0), ("text", 5.0), (3.0, 0.0), (None, None)],
)
def test_the_time_of_the_publisher_tells_how_far_behind_it_is(
    make: MakeHarness, value: Any, behind: float | None
) -> None:
    harness = make(metrics={"time_field": "at", "interval_s": 10.0}).recover()
    now = harness.clock.time()
    at: Any = None if value is None else now + value if isinstance(value, float) else round(now * 1000) - 5000
    if value == "text":
        at = "2001-09-09T02:03:15Z"
        assert now == 1_000_001_000.0
    harness.receive(json.dumps([{"at": at, "x": {"a": 1.0}, "y": 1.0}] * 3).encode())
    seconds = harness.daemon.metrics()["seconds_behind"]
    assert seconds == (0.0 if behind is None else behind)
    harness.wait(30.0)
    assert harness.daemon.metrics()["seconds_behind"] == 0.0
