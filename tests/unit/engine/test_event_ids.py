"""What an id means: something for its topic, together with what the event says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent import LinearRegressor, MatrixFactorization
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import Message
from edgedescent.formats import JsonFormat
from edgedescent.learners import Learner
from edgedescent.state import codec
from support.engines import KINDS, an_engine, answers, event, letters, send, tell


def tell_over(engine: Engine, topic: str, *events: object) -> Any:
    return send(engine, json.dumps(events[0] if len(events) == 1 else events).encode(), topic=topic)


def reading(number: int, event_id: int | str | None = None, *, kind: type[Learner] = LinearRegressor) -> dict[str, Any]:
    """One of many events that say different things."""
    y = float(number % 1009)
    if kind is MatrixFactorization:
        return {"id": number if event_id is None else event_id, "user": number % 9, "item": str(number % 7), "y": y}
    return {"id": number if event_id is None else event_id, "x": {"a": number % 11}, "y": y}


def counts(engine: Engine) -> tuple[int, int, int]:
    counted = engine.metrics()
    return int(counted["events_learned"]), int(counted["duplicates"]), int(counted["ids_reused"])


# --- Sources ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_two_sensors_that_count_from_0_are_both_heard(kind: type[Learner]) -> None:
    engine = an_engine(kind)
    for number in range(1000):
        tell_over(engine, "plant/a/events", reading(number, kind=kind))
        tell_over(engine, "plant/b/events", reading(number + 500, number, kind=kind))
    assert counts(engine) == (2000, 0, 0)
    # Each is still recognized.
    for number in range(1000):
        assert tell_over(engine, "plant/b/events", reading(number + 500, number, kind=kind)) == []
        assert tell_over(engine, "plant/a/events", reading(number, kind=kind)) == []
    assert counts(engine) == (2000, 2000, 0)


def test_two_sensors_that_say_the_same_are_both_heard() -> None:
    engine = an_engine()
    for topic in ("plant/a", "plant/b", "plant/a", "plant/b"):
        tell_over(engine, topic, event(1))
    assert counts(engine) == (2, 2, 0)


def test_ids_may_belong_to_the_device() -> None:
    engine = an_engine(id_scope="device")  # type: ignore[arg-type]
    for topic in ("plant/raw", "plant/copy", "plant/raw"):
        for number in range(50):
            tell_over(engine, topic, reading(number))
    assert counts(engine) == (50, 100, 0)


def test_a_number_and_its_digits_are_two_ids() -> None:
    for once, other in ((1, "1"), ("1", 1)):
        engine = an_engine()
        tell(engine, reading(1, once))
        tell(engine, reading(2, other))
        assert counts(engine) == (2, 0, 0)
        assert tell(engine, reading(1, once)) == tell(engine, reading(2, other)) == []


# --- Content ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_sensor_that_counts_anew_is_heard(kind: type[Learner]) -> None:
    engine = an_engine(kind)
    for life in range(3):
        for number in range(200):
            tell(engine, reading(1000 * life + number, number, kind=kind))
    assert counts(engine) == (600, 0, 400)
    assert engine.reused_id == ("pump/events", 199)
    # What it sent in any of its lives is recognized.
    for life in range(3):
        for number in range(200):
            assert tell(engine, reading(1000 * life + number, number, kind=kind)) == []
    assert counts(engine) == (600, 600, 400)


def test_guessed_ids_make_no_event_a_duplicate() -> None:
    engine = an_engine()
    for number in range(60):
        tell(engine, {"id": number, "x": {"junk": 1}, "y": 0})
    for number in range(60):
        assert answers(tell(engine, reading(number)))["id"] == number
    assert counts(engine) == (120, 0, 60)


def test_reused_ids_may_be_dropped() -> None:
    engine = an_engine(reused_ids="drop")  # type: ignore[arg-type]
    tell(engine, event(1))
    before = codec.encode({k: v for k, v in engine.state_dict().items() if k.startswith(("learner.", "seen"))})
    assert tell(engine, event(1, y=99)) == []
    assert tell(engine, event(1)) == []
    assert counts(engine) == (1, 2, 1)
    assert engine.counters["duplicates.id"] == 2
    assert codec.encode({k: v for k, v in engine.state_dict().items() if k.startswith(("learner.", "seen"))}) == before


def test_one_id_for_all_events_is_heard_and_repeats_are_recognized() -> None:
    engine = an_engine(dedup_window=100)
    for number in range(300):
        tell(engine, reading(number, "pump"))
    for number in range(200, 300):
        assert tell(engine, reading(number, "pump")) == []
    assert counts(engine) == (300, 100, 299)


def test_what_is_refused_is_not_counted_as_reused() -> None:
    engine = an_engine()
    tell(engine, event(1))
    assert letters(tell(engine, event(1, x={"n" * 600: 1})))
    assert letters(tell(engine, event(1, y=1e200)))
    assert counts(engine) == (1, 0, 0)
    assert tell(engine, event(1)) == []


def test_a_question_and_its_label_may_be_followed_by_others_of_the_same_id() -> None:
    engine = an_engine()
    ask, label = {"id": "a", "x": {"t": 1}}, {"id": "a", "x": {"t": 1}, "y": 2}
    for _ in range(2):
        assert "y" not in answers(tell(engine, ask))
    assert answers(tell(engine, label))["y"] == 2
    assert tell(engine, label) == []
    assert counts(engine) == (1, 1, 0)
    # The sensor counts anew.
    assert "y" not in answers(tell(engine, {**ask, "x": {"t": 5}}))
    assert answers(tell(engine, {**label, "x": {"t": 5}}))["y"] == 2
    assert tell(engine, label) == tell(engine, {**label, "x": {"t": 5}}) == []
    assert counts(engine) == (2, 3, 1)


def test_an_event_of_an_array_is_the_same_as_one_alone() -> None:
    engine = an_engine()
    plain = [{"id": f"e{i}", "x": {"a": i}, "y": i} for i in range(20)]
    # A text makes the whole array objects, and the other readings are read without making any.
    tell(engine, *plain[:10], {"id": "t", "x": {"site": "north"}, "y": 1})
    for each in plain:
        tell(engine, each)
    tell(engine, *plain)
    tell(engine, {"id": "t", "x": {"site": "north"}, "y": 1}, *plain)
    assert counts(engine) == (21, 10 + 20 + 21, 0)


# --- Recovery ---------------------------------------------------------------------------------------------------------


class WithoutReader(JsonFormat):
    """JSON whose events all become objects."""

    def reader(self) -> None:
        return None


sent = st.lists(
    st.tuples(
        st.sampled_from(["plant/a", "plant/b"]),
        st.lists(
            st.builds(
                lambda event_id, a, y: {"id": event_id, "x": {"a": a}, **({} if y is None else {"y": y})},
                st.sampled_from(["1", "2", 1, 2]),
                st.sampled_from([1, 2.5, "on"]),
                st.sampled_from([1, 1.5, None]),
            ),
            min_size=1,
            max_size=3,
        ),
    ),
    max_size=30,
)


@pytest.mark.parametrize("id_scope", ["topic", "device"])
@pytest.mark.parametrize("reused_ids", ["learn", "drop"])
@given(sent, st.integers(1, 6), st.integers(0, 30))
def test_learns_what_a_list_of_all_events_says(
    id_scope: Any, reused_ids: Any, stream: list[tuple[str, list[dict[str, Any]]]], window: int, cut: int
) -> None:
    def an_engine() -> Engine:
        return Engine(LinearRegressor(), dedup_window=window, id_scope=id_scope, reused_ids=reused_ids)

    engine, reused = an_engine(), 0
    learned: list[tuple[Any, Any]] = []
    for number, (topic, events) in enumerate(stream, start=1):
        if number == cut:
            engine, before = an_engine(), engine
            engine.load_state_dict(codec.decode(codec.encode(before.state_dict())))
        payload = json.dumps(events).encode()
        got = engine.handle(Message(number, 1.0, topic, payload))
        expected = 0
        for one in events:
            key = (topic if id_scope == "topic" else "", type(one["id"]), one["id"])
            recent = learned[-window:]
            said = (one["x"]["a"], one.get("y"))
            if "y" in one:
                if (key, said) in recent:
                    continue
                is_reused = any(key == known for known, _ in recent)
                reused += is_reused
                if is_reused and reused_ids == "drop":
                    continue
                learned.append((key, said))
            expected += 1
        assert sum(len(json.loads(effect.payload)) for effect in got) == expected  # type: ignore[union-attr]
    assert counts(engine)[0] == len(learned)
    assert counts(engine)[2] == reused
