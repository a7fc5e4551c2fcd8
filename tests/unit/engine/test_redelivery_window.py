"""Messages that the broker sends again are learned once, also those whose events have no ids."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgedescent import LinearRegressor, MatrixFactorization
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import Connection
from edgedescent.learners import Learner
from support.engines import an_engine, answers, event, letters, send, tell

KINDS: list[type[Learner]] = [LinearRegressor, MatrixFactorization]


ANONYMOUS = b'{"x": {"a": 21.5}, "y": 1}'


def test_a_message_that_is_sent_again_is_learned_once() -> None:
    engine = an_engine()
    assert answers(send(engine, ANONYMOUS, 7))
    assert send(engine, ANONYMOUS, 7, again=True) == []
    assert send(engine, ANONYMOUS, 7, again=True) == []
    counters = engine.counters
    assert (counters["events_learned"], counters["messages_redelivered"]) == (1, 2)
    assert (counters["duplicates"], counters["duplicates.redelivered"], counters["duplicates.id"]) == (2, 2, 0)


@pytest.mark.parametrize(
    ("payload", "packet_id", "again"),
    [
        (ANONYMOUS, 7, False),  # An ordinary message with the same content, whose packet id came round again.
        (ANONYMOUS, 8, True),  # Its first sending got lost, and it happens to be the same.
        (b'{"x": {"a": 21.5}, "y": 2}', 7, True),
        (ANONYMOUS, 0, False),  # QoS 0 is never sent again.
    ],
)
def test_what_only_looks_alike_is_learned(payload: bytes, packet_id: int, again: bool) -> None:
    engine = an_engine()
    send(engine, ANONYMOUS, 7)
    assert answers(send(engine, payload, packet_id, again=again))
    assert engine.counters["events_learned"] == 2
    assert engine.counters["duplicates"] == 0


def test_the_same_from_another_topic_is_no_repeat() -> None:
    engine = an_engine()
    for topic in ("cellar", "roof", "roof"):
        send(engine, ANONYMOUS, 7, again=topic == "roof", topic=topic)
    assert engine.counters["events_learned"] == 2
    assert engine.counters["duplicates.redelivered"] == 1


def test_what_comes_first_with_the_flag_is_learned_and_remembered() -> None:
    engine = an_engine()
    for _ in range(2):
        send(engine, ANONYMOUS, 7, again=True)
    assert engine.counters["events_learned"] == 1


def test_events_with_ids_go_by_their_ids_also_in_a_message_sent_again() -> None:
    engine = an_engine(dedup_window=1)
    mixed = json.dumps([event(1), {"x": {"a": 1.0}, "y": 2.0}, {"x": {}, "id": "ask"}]).encode()
    assert len(answers(send(engine, mixed, 7))) == 3
    # A question is answered again: its answer may have been lost.
    assert [answer.get("id") for answer in answers(send(engine, mixed, 7, again=True))] == ["ask"]
    assert engine.counters["duplicates.id"] == engine.counters["duplicates.redelivered"] == 1
    tell(engine, event(2))
    # Its id is forgotten by now.
    send(engine, mixed, 7, again=True)
    assert engine.counters["events_learned"] == 4


def test_an_unusable_message_is_a_dead_letter_once() -> None:
    engine = an_engine()
    assert len(letters(send(engine, b"garbage", 7))) == 1
    assert send(engine, b"garbage", 7, again=True) == []
    assert engine.counters["dead_letters"] == 1


def test_as_many_messages_are_remembered_as_the_window_says() -> None:
    engine = an_engine(redelivery_window=3)
    for packet_id in (1, 2, 3, 4):
        send(engine, ANONYMOUS, packet_id)
        send(engine, ANONYMOUS)  # Those that cannot be sent again take no place.
    for packet_id in (2, 3, 4):
        assert send(engine, ANONYMOUS, packet_id, again=True) == []
    learned = engine.counters["events_learned"]
    assert send(engine, ANONYMOUS, 1, again=True) != []
    assert engine.counters["events_learned"] == learned + 1


@pytest.mark.parametrize("window", [1, 3, 5, 8, 100])
def test_the_messages_remembered_are_a_part_of_the_state(window: int) -> None:
    before = an_engine(redelivery_window=5)
    for packet_id in range(1, 13):
        send(before, ANONYMOUS, packet_id)

    def knows(packet_id: int) -> bool:
        after = an_engine(redelivery_window=window)
        after.load_state_dict(before.state_dict())
        return send(after, ANONYMOUS, packet_id, again=True) == []

    assert [packet_id for packet_id in range(1, 13) if knows(packet_id)] == list(range(8, 13))[-window:]


# --- Connections ------------------------------------------------------------------------------------------------------


def sent_over(engine: Engine, connection: Connection, *packet_ids: int, again: int = 0) -> int:
    """Send equal messages over a new connection, the first `again` of them marked; returns how many were learned."""
    before = engine.counters["events_learned"]
    for i, packet_id in enumerate(packet_ids):
        send(engine, ANONYMOUS, packet_id, again=i < again, over=None if i else connection)
    return engine.counters["events_learned"] - before


@pytest.mark.parametrize("acknowledged", [0, 10])
def test_a_broker_that_keeps_packet_ids_is_believed(acknowledged: int) -> None:
    engine = an_engine()
    assert sent_over(engine, Connection(1, 0, 5), *range(5, 15)) == 10
    # All come again, even where it had the acknowledgements: it has restored an outdated session.
    assert sent_over(engine, Connection(1, acknowledged, 5), *range(5, 18), again=13) == 3
    assert sent_over(engine, Connection(1, 0, 10), *range(10, 20), again=10) == 2


def test_a_broker_that_numbers_anew_gets_nothing_lost() -> None:
    engine = an_engine()
    # Ten are journaled and acknowledged. Ten more are under way when the device dies, and come again as 1 to 10.
    assert sent_over(engine, Connection(1, 0, 1), *range(1, 11)) == 10
    assert sent_over(engine, Connection(1, 10, 1), *range(1, 11), again=10) == 10
    assert engine.counters["messages_redelivered"] == 0


def test_a_broker_that_numbers_anew_gets_nothing_learned_twice() -> None:
    engine = an_engine()
    # Positions 1 to 10 are acknowledged; 11 to 15 are journaled, and the device dies before their acknowledgement.
    assert sent_over(engine, Connection(1, 0, 1), *range(1, 16)) == 15
    assert sent_over(engine, Connection(1, 10, 1), *range(1, 11), again=10) == 5
    # The same once more, with nothing acknowledged over the second connection, and now all of it.
    assert sent_over(engine, Connection(1, 10, 1), *range(1, 11), again=10) == 0
    assert sent_over(engine, Connection(1, engine.position, 1), *range(1, 11), again=10) == 10


def test_an_acknowledgement_counts_for_its_connection_alone() -> None:
    engine = an_engine()
    assert sent_over(engine, Connection(1, 0, 1), 1, 2, 3) == 3
    # Of the three, the first alone comes again before the connection is lost once more.
    assert sent_over(engine, Connection(1, 0, 1), 1, again=1) == 0
    assert sent_over(engine, Connection(1, 4, 1), 1, 2, again=2) == 0
    assert sent_over(engine, Connection(1, 6, 1), 1, 2, again=2) == 2


def test_in_a_new_session_nothing_comes_again() -> None:
    engine = an_engine()
    assert sent_over(engine, Connection(1, 0, 7), 7, 8) == 2
    assert sent_over(engine, Connection(2, 0, 7), 7, 8, again=2) == 2
    assert sent_over(engine, Connection(2, 0, 7), 7, 8, again=2) == 0


def test_connections_are_a_part_of_the_state() -> None:
    whole, parts = an_engine(), an_engine()
    for number in range(40):
        over = Connection(number // 15, 3 * number if number % 2 else 0, 1 + number % 2) if number % 5 == 0 else None
        for engine in (whole, parts):
            send(engine, ANONYMOUS, 1 + number % 7, again=number % 3 == 0, over=over)
        saved = parts.state_dict()
        parts = an_engine()
        parts.load_state_dict(saved)
    assert whole.counters == parts.counters
    for name, value in whole.state_dict().items():
        assert np.array_equal(value, parts.state_dict()[name]), name
    assert whole.counters["messages_redelivered"]


def test_a_window_of_what_is_sent_ahead_recognizes_it_however_often_it_comes() -> None:
    engine = an_engine(redelivery_window=4)
    sent = [(b'{"x": {"a": %d}, "y": 1}' % number, number) for number in range(1, 5)]
    for payload, packet_id in sent:
        send(engine, payload, packet_id)
    # Connections that end before all are sent again.
    for count in (2, 3, 1, 4):
        for payload, packet_id in sent[:count]:
            assert send(engine, payload, packet_id, again=True) == []
    assert engine.counters["events_learned"] == 4
    again = an_engine(redelivery_window=4)
    again.load_state_dict(engine.state_dict())
    assert send(again, *sent[0], again=True) == []
