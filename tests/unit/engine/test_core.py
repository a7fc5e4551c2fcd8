from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent import LinearRegressor, MatrixFactorization, MLPRegressor
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import DEAD_LETTERS_PER_MESSAGE_MAX, DEAD_PAYLOAD_MAX, DeadLetter, Message, Predictions
from edgedescent.errors import StateError
from edgedescent.learners import Learner
from edgedescent.state import codec
from support.engines import an_engine, answers, event, letters, send, tell
from support.state_folder import bits, payloads

KINDS: list[type[Learner]] = [LinearRegressor, MatrixFactorization]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_messages_give_the_same_bits(kind: type[Learner]) -> None:
    one, two = an_engine(kind), an_engine(kind)
    for payload in payloads(300, takes=kind.input_kind):
        assert send(one, payload) == send(two, payload)
    assert bits(one) == bits(two)
    counters = one.counters
    assert min(counters[name] for name in ("events_learned", "events_predicted", "duplicates", "dead_letters")) > 10


@given(st.sampled_from(KINDS), st.integers(0, 1000), st.integers(0, 80), st.sampled_from([1, 3, 1000]))
def test_it_goes_on_from_a_saved_state_bit_for_bit(kind: type[Learner], seed: int, cut: int, window: int) -> None:
    messages = payloads(80, takes=kind.input_kind, seed=seed)
    whole = an_engine(kind, dedup_window=window)
    for payload in messages[:cut]:
        send(whole, payload)
    resumed = an_engine(kind, dedup_window=window)
    resumed.load_state_dict(codec.decode(codec.encode(whole.state_dict())))
    assert bits(resumed) == bits(whole)
    for payload in messages[cut:]:
        assert send(resumed, payload) == send(whole, payload)
    assert bits(resumed) == bits(whole)
    assert resumed.metrics() == whole.metrics()


def test_a_saved_state_is_a_copy() -> None:
    engine = an_engine()
    tell(engine, event(1))
    saved = engine.state_dict()
    before = codec.encode(saved)
    for number in range(2, 50):
        tell(engine, event(number))
    assert codec.encode(saved) == before


@pytest.mark.parametrize("fault", ["position", "seen", "errors", "learner.weights", "counters"])
def test_a_state_that_lacks_something_is_refused(fault: str) -> None:
    engine = an_engine()
    tell(engine, event(1))
    state = engine.state_dict()
    del state[fault]
    with pytest.raises(StateError, match="does not fit"):
        an_engine().load_state_dict(state)


def test_a_state_of_another_learner_is_refused() -> None:
    with pytest.raises(StateError, match="does not fit"):
        an_engine(LinearRegressor).load_state_dict(an_engine(MatrixFactorization).state_dict())


def test_a_state_that_is_not_finite_is_refused() -> None:
    engine = an_engine()
    tell(engine, event(1))
    state = engine.state_dict()
    state["errors"] = np.full(10, np.nan)
    with pytest.raises(StateError, match="does not fit"):
        an_engine().load_state_dict(state)


def test_one_event_is_answered_by_an_object_and_an_array_by_an_array() -> None:
    engine = an_engine()
    assert answers(tell(engine, {"id": "a", "x": {"t": 1}, "y": 3})) == {"prediction": 0.0, "id": "a", "y": 3.0}
    assert answers(tell(engine, {"x": {"t": 1}})) == {"prediction": 3.0}
    for blank in (b"", b" ", b"\n\t\r "):
        assert answers(send(engine, blank + b'[{"x": {"t": 1}}]')) == [{"prediction": 3.0}]
        assert answers(send(engine, blank + b'{"x": {"t": 1}}')) == {"prediction": 3.0}
    pair = answers(tell(engine, {"id": 1, "x": {}}, {"id": 2, "x": {}}))
    assert [answer["id"] for answer in pair] == [1, 2]
    assert send(engine, b"[]") == []


def test_an_array_is_learned_in_order() -> None:
    one, many = an_engine(), an_engine()
    events = [event(number) for number in range(20)]
    singly = [answers(tell(one, each)) for each in events]
    assert answers(tell(many, *events)) == singly


@pytest.mark.parametrize("kind", KINDS)
def test_each_event_is_predicted_before_it_is_learned(kind: type[Learner]) -> None:
    engine, learner = an_engine(kind), kind()
    assert isinstance(learner, LinearRegressor | MatrixFactorization)
    for number in range(50):
        if isinstance(learner, LinearRegressor):
            sent: dict[str, Any] = {"x": {"a": number % 5}, "y": number % 7}
            expected = learner.predict_learn_one(sent["x"], sent["y"])
        else:
            sent = {"user": number % 3, "item": str(number % 5), "y": number % 7}
            expected = learner.predict_learn_one(sent["user"], sent["item"], sent["y"])
        assert answers(tell(engine, sent))["prediction"] == expected


def test_a_repeated_id_is_learned_once() -> None:
    engine = an_engine()
    tell(engine, event(1))
    state = codec.encode({k: v for k, v in engine.state_dict().items() if k.startswith("learner.")})
    assert tell(engine, event(1)) == []
    # Written otherwise, it says the same.
    assert send(engine, json.dumps(dict(reversed(event(1, sent_at=7).items())), indent=1).encode()) == []
    assert codec.encode({k: v for k, v in engine.state_dict().items() if k.startswith("learner.")}) == state
    assert engine.metrics()["duplicates"] == 2
    assert engine.metrics()["events_learned"] == 1


def test_a_repeat_within_an_array_is_left_out_of_the_answer() -> None:
    engine = an_engine()
    assert [a["id"] for a in answers(tell(engine, event(1), event(2), event(1), event(3)))] == [1, 2, 3]
    assert tell(engine, event(1), event(2)) == []


def test_events_without_an_id_are_never_repeats() -> None:
    engine = an_engine()
    for _ in range(3):
        tell(engine, {"x": {"a": 1}, "y": 1})
    assert engine.metrics()["events_learned"] == 3


# --- Questions --------------------------------------------------------------------------------------------------------


def test_a_question_may_be_followed_by_its_label() -> None:
    engine = an_engine()
    for _ in range(2):
        assert "y" not in answers(tell(engine, {"id": "a", "x": {"t": 1}}))
    assert answers(tell(engine, {"id": "a", "x": {"t": 1}, "y": 2}))["y"] == 2
    assert tell(engine, {"id": "a", "x": {"t": 1}, "y": 2}) == []
    # Asking again is no repeat either.
    assert answers(tell(engine, {"id": "a", "x": {"t": 1}})) == {"prediction": 2.0, "id": "a"}
    assert engine.metrics()["events_predicted"] == 3
    assert engine.metrics()["events_learned"] == 1


def test_a_question_leaves_the_learner_as_it_is() -> None:
    engine = an_engine()
    tell(engine, event(1))
    before = engine.state_dict()
    tell(engine, {"x": {"new": 1, "a": 2}})
    after = engine.state_dict()
    assert all(np.array_equal(after[k], before[k]) for k in before if k.startswith(("learner.", "errors", "seen")))


def test_as_many_ids_are_remembered_as_the_window_says() -> None:
    engine = an_engine(dedup_window=3)
    for number in (1, 2, 3, 4):
        tell(engine, event(number))
    assert [tell(engine, event(number)) == [] for number in (2, 3, 4)] == [True] * 3
    assert tell(engine, event(1)) != []
    assert len(engine.state_dict()["seen"]) == 3


def test_a_window_may_shrink_and_grow_between_runs() -> None:
    engine = an_engine(dedup_window=10)
    for number in range(10):
        tell(engine, event(number))
    smaller = an_engine(dedup_window=4)
    smaller.load_state_dict(engine.state_dict())
    assert [tell(smaller, event(number)) == [] for number in (6, 7, 8, 9)] == [True] * 4
    assert tell(smaller, event(5)) != []
    larger = an_engine(dedup_window=100)
    larger.load_state_dict(engine.state_dict())
    assert [tell(larger, event(number)) == [] for number in range(10)] == [True] * 10


def test_messages_must_follow_each_other() -> None:
    engine = an_engine()
    before = bits(engine)
    for position in (0, 2):
        with pytest.raises(ValueError, match=f"Message {position} does not follow message 0"):
            engine.handle(Message(position, 0.0, "t", b"{}"))
    assert bits(engine) == before
    tell(engine, event(1))
    with pytest.raises(ValueError, match="Message 1 does not follow message 1"):
        engine.handle(Message(1, 0.0, "t", b"{}"))


def test_lost_messages_are_skipped_and_counted() -> None:
    engine = an_engine()
    tell(engine, event(1))
    engine.skip_to(1)
    engine.skip_to(5)
    assert engine.metrics()["messages_lost"] == 4
    assert answers(engine.handle(Message(6, 0.0, "t", b'{"x": {}}'))) == {"prediction": 1.0}
    with pytest.raises(ValueError, match="Message 3 was handled before message 6"):
        engine.skip_to(3)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff",
        b'{"x": {"\xff": 1}, "y": 1}',
        b'{"x": {"new": 1, "wide": [%b]}, "y": 1}' % b",".join([b"1"] * 1025),
        b'{"x": {"new": 1, "%b": 1}, "y": 1}' % (b"n" * 513),
        b'{"x": {"new": 1}, "y": 1e200}',
        b'{"y": 1}',
        b'[{"x": 3}, {"x": {"new": 1e999}, "y": 1}]',
        b"[" * 100_000,
        b'{"x": {}, "y": 1, "id": [1]}',
    ],
)
def test_a_refused_event_leaves_the_learner_as_it_is(payload: bytes) -> None:
    engine = an_engine()
    for number in range(20):
        tell(engine, event(number))
    before = engine.state_dict()
    effects = send(engine, payload)
    assert effects
    assert effects == letters(effects)
    after = engine.state_dict()
    for name in before:
        if name not in ("counters", "counter_names", "position"):
            assert np.array_equal(before[name], after[name]), name


def test_what_a_learner_refuses_becomes_a_dead_letter() -> None:
    class Picky(LinearRegressor):
        def predict_learn_one(self, *_: Any) -> float:
            raise ValueError("The feature 'a' must be a number.")

    engine = Engine(Picky())
    (letter,) = letters(tell(engine, {"id": 1, "x": {"a": 1}, "y": 1}))
    assert (letter.reason, letter.error) == ("wrong_type", "The feature 'a' must be a number.")
    assert json.loads(letter.payload)["x"] == {"a": 1}
    # It was not learned, so a repaired event with this id is no repeat.
    assert engine.metrics()["duplicates"] == 0
    assert letters(tell(engine, {"id": 1, "x": {"a": 1}, "y": 1}))


def test_categories_and_nested_features_are_learned() -> None:
    engine = Engine(LinearRegressor(categories=("hour",)))
    for number in range(400):
        site, hour = ("north", "south")[number % 2], number // 2 % 2
        y = {"north": 5.0, "south": 9.0}[site] + 2.0 * hour
        tell(engine, {"x": {"site": site, "hour": hour, "motor": {"rpm": number % 7, "on": True}}, "y": y})
    answer = answers(tell(engine, {"x": {"site": "south", "hour": 1, "motor": {"rpm": 3}}}))
    assert answer["prediction"] == pytest.approx(11.0, abs=0.2)
    assert set(engine.learner.state_dict()["features"]) >= {"site=north", "hour=1", "motor.rpm", "motor.on"}


@pytest.mark.parametrize(
    ("x", "error"),
    [
        ({"n" * 513: 1.0}, "The name of a feature may have 512 bytes at most. Got 513 bytes: 'nnnn"),
        ({"site": "é" * 257}, "A category may have 512 bytes at most. Got 514 bytes: 'é"),
        ({"a" * 300: {"b" * 300: 1.0}}, "The name of a feature may have 512 bytes at most. Got 601 bytes: 'aaa"),
        ({f"f{i}": 1.0 for i in range(16_385)}, "An event may have 16384 features at most. Got 16385."),
    ],
)
@pytest.mark.parametrize("y", [1.0, None])
def test_what_would_take_too_much_memory_is_a_dead_letter(x: dict[str, Any], error: str, y: float | None) -> None:
    engine = an_engine()
    (letter,) = letters(tell(engine, {"x": x, "y": y}))
    assert letter.reason == "too_large"
    assert letter.error.startswith(error)
    assert engine.metrics()["dead_letters.too_large"] == 1
    assert engine.learner.state_dict()["features"] == []


def test_a_long_id_of_a_rating_is_a_dead_letter() -> None:
    engine = Engine(MatrixFactorization())
    (letter,) = letters(tell(engine, {"user": "u" * 513, "item": "tea", "y": 4.0}))
    assert (letter.reason, letter.error[:48]) == ("too_large", "The user id may have 512 bytes at most. Got 513 ")


def test_metrics_tell_what_the_learner_left_out() -> None:
    engine = Engine(LinearRegressor(features_max=2))
    for number in range(5):
        tell(engine, {"x": {f"f{number}": 1.0, "a": 1e200}, "y": 1.0})
    metrics = engine.metrics()
    assert metrics["values_skipped"] == 5
    assert metrics["features_evicted"] == 3
    assert metrics["updates_undone"] == 0


def test_a_dead_letter_tells_all_about_itself() -> None:
    engine = an_engine()
    effects = send(engine, b'[{"x": {}, "y": 1e200}, {"x": {"a": 1}}, {"x": {"a": 1e999}}, {"y": 2}]')
    assert [e["prediction"] for e in answers(effects[:1])] == [0.0]
    assert letters(effects) == [
        DeadLetter(
            1,
            0,
            5.0,
            "pump/events",
            "out_of_range",
            "The target must lie within ±1e+100. Got 1e+200 - at `$.y`",
            b'{"x": {}, "y": 1e200}',
        ),
        DeadLetter(
            1,
            2,
            5.0,
            "pump/events",
            "out_of_range",
            "Number out of range - at `$.x.a`",
            b'{"x": {"a": 1e999}}',
        ),
        DeadLetter(1, 3, 5.0, "pump/events", "missing_field", "Object missing required field `x`", b'{"y": 2}'),
    ]
    assert engine.metrics()["dead_letters"] == 3
    assert engine.metrics()["dead_letters.out_of_range"] == 2


def test_a_dead_letter_keeps_no_more_than_its_bound() -> None:
    (letter,) = letters(send(an_engine(), b'{"x": "' + b"a" * 100_000 + b'"}'))
    assert letter.payload == b'{"x": "' + b"a" * (DEAD_PAYLOAD_MAX - 7)
    assert len(letter.error) < 200


def test_the_metrics_are_complete_from_the_start() -> None:
    engine = an_engine()
    assert engine.metrics() == {
        "messages": 0,
        "messages_copied": 0,
        "events_learned": 0,
        "events_predicted": 0,
        "duplicates": 0,
        "ids_reused": 0,
        "dead_letters": 0,
        "drift_alarms": 0,
        "values_skipped": 0,
        "updates_undone": 0,
        "replays_let_go": 0,
        "features_evicted": 0,
        "features_shared": 0,
        "features_left_out": 0,
        "categories_left_out": 0,
        "targets_unscored": 0,
        "quarantines_lifted": 0,
    }


def test_the_metrics_are_the_prequential_errors() -> None:
    engine = an_engine()
    targets, predictions = [], []
    for number in range(200):
        targets.append(float(number % 7))
        predictions.append(answers(tell(engine, event(number)))["prediction"])
    metrics = engine.metrics()
    errors = np.abs(np.subtract(targets, predictions))[1:]
    assert metrics["messages"] == metrics["events_learned"] == 200
    assert metrics["mae"] == pytest.approx(errors.mean())
    assert metrics["rmse"] == pytest.approx(math.sqrt((errors**2).mean()))
    assert metrics["mae_last_value"] == pytest.approx(np.abs(np.diff(targets)).mean())
    assert metrics["r2"] == pytest.approx(1 - (errors**2).mean() / np.var(targets[1:]))
    assert metrics["mase"] == pytest.approx(errors.mean() / np.abs(np.diff(targets)).mean())
    means = np.cumsum(targets) / np.arange(1, 201)
    assert metrics["mae_mean"] == pytest.approx(np.abs(np.subtract(targets[1:], means[:-1])).mean())
    assert json.loads(json.dumps(metrics)) == metrics


@given(st.lists(st.binary(max_size=80), max_size=20), st.sampled_from(KINDS))
def test_no_bytes_stop_the_engine(messages: list[bytes], kind: type[Learner]) -> None:
    engine = an_engine(kind)
    for payload in messages:
        send(engine, payload)
    assert engine.position == len(messages)
    again = an_engine(kind)
    again.load_state_dict(codec.decode(codec.encode(engine.state_dict())))
    assert bits(again) == bits(engine)


def test_of_an_array_of_dead_letters_the_first_are_kept_and_all_counted() -> None:
    engine = Engine(LinearRegressor())
    good = b'{"id": "a", "x": {}, "y": 1}'
    effects = engine.handle(Message(1, 0.0, "events", b"[" + b"7," * 250 + good + b',{"y": 1}]'))
    letters = [effect for effect in effects if isinstance(effect, DeadLetter)]
    assert [letter.index for letter in letters] == list(range(DEAD_LETTERS_PER_MESSAGE_MAX))
    metrics = engine.metrics()
    assert metrics["dead_letters"] == 251
    assert metrics["dead_letters.wrong_type"] == 250
    assert metrics["dead_letters.missing_field"] == 1
    assert metrics["dead_letters_unkept"] == 151
    assert metrics["events_learned"] == 1


@pytest.mark.parametrize("learner", [LinearRegressor, MLPRegressor, MatrixFactorization])
@pytest.mark.parametrize(
    "x", ['{"a": 1, "b": 2.5}', '{"b": 2.5, "a": 1}', '{"a": 1, "a": 2}', '{"a": 1, "new": 3}', '{"a": true}', "{}"]
)
def test_a_question_is_answered_as_predict_one_does_and_changes_no_bit(learner: Any, x: str) -> None:
    if learner is MatrixFactorization:
        known, question = b'{"user": "u", "item": "i", "y": 4}', b'{"user": "u", "item": "i"}'
        args: tuple[Any, ...] = ("u", "i")
    else:
        known, question = b'{"x": {"a": 3, "b": 4}, "y": 5}', f'{{"x": {x}, "id": "q"}}'.encode()
        args = (json.loads(x),)
    engine = Engine(learner())
    for position in range(1, 20):
        engine.handle(Message(position, 0.0, "events", known))
    before = engine.learner.state_dict()
    expected = engine.learner.predict_one(*args)
    (answer,) = engine.handle(Message(20, 0.0, "events", question))
    assert isinstance(answer, Predictions)
    found = json.loads(answer.payload)
    assert found["prediction"] == expected
    assert "y" not in found
    after = engine.learner.state_dict()
    assert all(np.array_equal(after[name], before[name]) for name in before)
    assert engine.counters["events_predicted"] == 1


class TestIntervals:
    def test_answers_carry_an_interval_once_errors_are_known(self) -> None:
        engine = an_engine(interval=0.9)
        given = [answers(tell(engine, event(number))) for number in range(300)]
        assert [{"low", "high"} & answer.keys() for answer in given[:3]] == [set(), set(), {"low", "high"}]
        assert all(answer["low"] <= answer["prediction"] <= answer["high"] for answer in given[2:])
        question = answers(tell(engine, {"x": {"a": 1.0, "b": 0.5}}))
        assert question.keys() == {"prediction", "low", "high"}
        found = engine.metrics()
        assert found["interval_coverage"] == sum(a["low"] <= a["y"] <= a["high"] for a in given[2:]) / 298
        assert 0.85 < found["interval_coverage_recent"] < 0.95

    def test_they_are_off_unless_asked_for(self) -> None:
        engine = an_engine()
        given = [answers(tell(engine, event(number))) for number in range(10)]
        assert all(answer.keys() == {"prediction", "id", "y"} for answer in given)
        assert not any(name.startswith("interval") for name in [*engine.metrics(), *engine.state_dict()])

    def test_repeats_and_questions_teach_them_nothing(self) -> None:
        engine = an_engine(interval=0.9)
        for number in range(50):
            tell(engine, event(number))
        before = {name: value for name, value in engine.state_dict().items() if name.startswith("intervals.")}
        assert len(before) == 4
        tell(engine, event(7), {"x": {"a": 1.0}}, {"id": "z", "x": {"a": 1.0}, "y": "broken"})
        after = engine.state_dict()
        assert all(after[name].tobytes() == value.tobytes() for name, value in before.items())

    @pytest.mark.parametrize("kind", KINDS)
    def test_it_goes_on_from_a_saved_state_bit_for_bit(self, kind: type[Learner]) -> None:
        messages = payloads(200, takes=kind.input_kind)
        whole, resumed = an_engine(kind, interval=0.8), an_engine(kind, interval=0.8)
        for payload in messages[:120]:
            send(whole, payload)
        resumed.load_state_dict(codec.decode(codec.encode(whole.state_dict())))
        assert bits(resumed) == bits(whole)
        for payload in messages[120:]:
            assert send(resumed, payload) == send(whole, payload)
        assert bits(resumed) == bits(whole)

    def test_a_state_without_them_lets_them_begin_anew(self) -> None:
        before = an_engine()
        for number in range(50):
            tell(before, event(number))
        after = an_engine(interval=0.9)
        after.load_state_dict(before.state_dict())
        assert answers(tell(after, event(50))).keys() == {"prediction", "id", "y"}
        assert "interval_coverage" not in after.metrics()

    def test_a_broken_state_of_them_is_refused(self) -> None:
        engine = an_engine(interval=0.9)
        for number in range(50):
            tell(engine, event(number))
        state = engine.state_dict()
        state["intervals.scale"] = state["intervals.scale"][:3]
        with pytest.raises(StateError, match="does not fit this configuration: A scale of errors must be 14"):
            an_engine(interval=0.9).load_state_dict(state)
