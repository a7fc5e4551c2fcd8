"""Events about items: availability and attributes, in order, once each, and part of the state."""

from __future__ import annotations

import json
from typing import Any, ClassVar, Literal

import pytest

from edgedescent import AutoRanker
from edgedescent.engine.core import Engine
from edgedescent.engine.item_attributes import ItemAttributes
from edgedescent.engine.messages import Effect, Message, Recommendations
from edgedescent.engine.settings import RecommendSettings
from edgedescent.errors import InvalidEventError, StateError
from edgedescent.formats import ItemEvent, content_hash
from edgedescent.learners import Learner
from edgedescent.state import codec
from support.engines import letters

REQUESTS = "shop/recommend"


def an_engine(*, reused_ids: str = "learn", **changes: Any) -> Engine:
    recommend = RecommendSettings(**{"topic": REQUESTS, "k": 3, **changes})
    engine = Engine(AutoRanker(), recommend=recommend, reused_ids=reused_ids)  # type: ignore[arg-type]
    send(engine, [{"id": i, "user": f"u{i % 7}", "item": f"i{i * i % 23}", "y": 1} for i in range(60)])
    return engine


def send(engine: Engine, content: object, topic: str = "shop/events", **fields: Any) -> list[Effect]:
    return engine.handle(Message(engine.position + 1, 5.0, topic, json.dumps(content).encode(), **fields))


def ask(engine: Engine, question: object) -> Any:
    (effect, *_) = send(engine, question, REQUESTS)
    assert isinstance(effect, Recommendations)
    return json.loads(effect.payload)


def items(engine: Engine) -> list[str]:
    return ask(engine, {"user": "u1", "k": 5})["items"]


def test_a_withdrawal_holds_until_the_item_is_available_again() -> None:
    engine = an_engine()
    first = items(engine)
    assert send(engine, {"item": first[0], "available": False}) == []
    assert items(engine)[:4] == first[1:5]
    assert ask(engine, {"user": "u1", "among": first[:2]})["items"] == first[1:2]
    send(engine, [{"item": first[1], "available": False}, {"user": "u1", "item": first[0], "y": 1, "id": 100}])
    assert not {first[0], first[1]} & set(items(engine))
    send(engine, {"item": first[0], "available": True})
    assert ask(engine, {"user": "u1", "among": first[:2]})["items"] == first[:1]
    assert engine.counters["item_events"] == 3
    assert engine.counters["events_learned"] == 61
    assert engine.counters["events_predicted"] == engine.counters["dead_letters"] == 0


def test_more_than_are_available_is_too_many() -> None:
    engine = an_engine()
    n = engine.learner.n_items
    send(engine, {"item": "i1", "available": False})
    assert ask(engine, {"user": "u1", "k": n})["error"] == f"`k` is {n}: expected at most the {n - 1} items there are."
    assert len(ask(engine, {"user": "u1", "k": n - 1})["items"]) == n - 1
    assert "at most the 1 items" in ask(engine, {"user": "u1", "k": 2, "among": ["i1", "i0"]})["error"]


def test_the_choice_of_a_withdrawn_item_is_not_scored() -> None:
    engine = an_engine(score_every=1)
    scored = engine.metrics()["lists_scored"]
    send(engine, {"item": "i1", "available": False})
    send(engine, {"user": "u1", "item": "i1", "y": 1})
    assert engine.metrics()["lists_scored"] == scored
    send(engine, {"user": "u1", "item": "i0", "y": 1})
    assert engine.metrics()["lists_scored"] == scored + 1


def test_one_that_is_sent_again_changes_nothing() -> None:
    engine = an_engine()
    withdrawn = {"item": "i1", "available": False, "id": "w"}
    send(engine, withdrawn)
    send(engine, {"item": "i1", "available": True, "id": "a"})
    send(engine, withdrawn)
    assert engine.learner.is_available("i1")
    assert engine.counters["duplicates.id"] == 1
    # The same id with other content is another event, unless that is dropped.
    send(engine, {"item": "i2", "available": False, "id": "w"})
    assert not engine.learner.is_available("i2")
    assert engine.counters["ids_reused"] == 1
    strict = an_engine(reused_ids="drop")
    send(strict, withdrawn)
    send(strict, {"item": "i2", "available": False, "id": "w"})
    assert strict.learner.is_available("i2")


def test_a_message_that_the_broker_sends_again_changes_nothing() -> None:
    engine = an_engine()
    send(engine, {"item": "i1", "available": False}, packet_id=7)
    send(engine, {"item": "i1", "available": True}, packet_id=8)
    send(engine, {"item": "i1", "available": False}, packet_id=7, duplicate=True)
    assert engine.learner.is_available("i1")
    assert engine.counters["duplicates.redelivered"] == 1


def test_lists_carry_attributes_where_they_are_wanted() -> None:
    engine = an_engine()
    first = items(engine)
    send(engine, [{"item": first[1], "x": {"title": "Heat", "year": 1995, "genres": ["crime"]}}])
    send(engine, {"item": first[0], "x": {"title": "Big"}, "available": True})
    found = ask(engine, {"user": "u1", "attributes": True})
    assert found["attributes"] == [{"title": "Big"}, {"title": "Heat", "year": 1995, "genres": ["crime"]}, None]
    assert "attributes" not in ask(engine, {"user": "u1"})
    # New ones replace all of the old; none forget them.
    send(engine, [{"item": first[0], "x": {"year": 1988}}, {"item": first[1], "x": {}}])
    assert ask(engine, {"user": "u1", "attributes": True})["attributes"][:2] == [{"year": 1988}, None]
    other = an_engine(attributes=True, after="event")
    send(other, {"item": first[0], "x": {"title": "Big"}})
    assert ask(other, {"user": "u1"})["attributes"][0] == {"title": "Big"}
    assert "attributes" not in ask(other, {"user": "u1", "attributes": False})
    effects = send(other, {"user": "u1", "item": "i9", "y": 1})
    assert "attributes" in json.loads(effects[-1].payload)


@pytest.mark.parametrize(
    ("event", "reason", "line"),
    [
        ({"item": "a"}, "missing_field", "Object missing required field `user`"),
        ({"item": "a", "y": 1}, "missing_field", "Object missing required field `user`"),
        ({"item": "a", "available": 0}, "wrong_type", "Expected `bool | null`, got `int` - at `$.available`"),
        ({"item": "a", "x": "tea"}, "wrong_type", "Expected `object | null`, got `str` - at `$.x`"),
        ({"item": 1.5, "available": True}, "wrong_type", "Expected `int | str`, got `float` - at `$.item`"),
        ({"item": "a" * 513, "available": False}, "too_large", "The item id may have 512 bytes at most."),
        ({"item": "a" * 513, "x": {"t": 1}}, "too_large", "The item id has more than 512 bytes."),
        (
            {"item": "a", "available": False, "x": {"t": "b" * 1100}},
            "too_large",
            "`x` of an item has 1108 bytes: expected at most 1024.",
        ),
    ],
)
def test_what_cannot_be_used_is_a_dead_letter_and_changes_nothing(event: Any, reason: str, line: str) -> None:
    engine = an_engine()
    before = engine.state_dict()
    (letter,) = letters(send(engine, event))
    assert letter.reason == reason
    assert letter.error.startswith(line)
    assert "\n" not in letter.error
    after = engine.state_dict()
    assert [name for name in after if name.startswith(("learner.", "attributes."))] == [
        name for name in before if name.startswith(("learner.", "attributes."))
    ]
    assert engine.counters["item_events"] == 0


@pytest.mark.parametrize("events_max", [1, 2, 5])
def test_a_message_in_slices_does_what_one_at_once_does(events_max: int) -> None:
    content: list[Any] = []
    for i in range(20):
        content.append({"id": 100 + i, "user": f"u{i % 3}", "item": f"i{i}", "y": 1})
        content.append({"item": f"i{i * 7 % 20}", "available": i % 3 == 0, "x": {"n": i}})
    payload = json.dumps(content).encode()
    whole, sliced, resumed = an_engine(after="event"), an_engine(after="event"), an_engine(after="event")
    message = Message(whole.position + 1, 5.0, "shop/events", payload)
    expected = whole.handle(message)
    effects, states = sliced.begin(message, events_max), []
    while effects is None:
        states.append(codec.decode(codec.encode(sliced.state_dict())))
        effects = sliced.proceed(events_max)
    assert effects == expected
    assert codec.encode(sliced.state_dict()) == codec.encode(whole.state_dict())
    # Each of these could be a checkpoint, after which the message comes again.
    for state in states:
        resumed.load_state_dict(state)
        resumed.handle(message)
        assert codec.encode(resumed.state_dict()) == codec.encode(whole.state_dict())


def test_the_dead_letter_of_one_in_an_array_is_the_event() -> None:
    engine = an_engine()
    event = {"item": "a" * 513, "available": False, "x": {"t": 1}, "id": 3}
    (letter,) = letters(send(engine, [event, {"item": "b", "available": False}]))
    assert json.loads(letter.payload) == event
    assert engine.counters["item_events"] == 1
    assert [one.reason for one in letters(engine.handle(Message(engine.position + 1, 5.0, "e", letter.payload)))] == [
        "too_large"
    ]


def test_a_learner_that_recommends_nothing_refuses_them() -> None:
    engine = Engine(Constant())
    (letter,) = letters(send(engine, {"item": "a", "available": False}))
    assert letter.error == "Constant recommends nothing: expected a `user`."
    send(engine, {"user": "u", "item": "a", "y": 1})
    assert engine.counters["events_learned"] == 1


class Constant(Learner):
    """Learner of ratings in Python that cannot recommend."""

    input_kind: ClassVar[Literal["features", "ratings"]] = "ratings"

    def predict_one(self, user: str, item: str) -> float:  # noqa: ARG002
        return 3.0

    def predict_learn_one(self, user: str, item: str, y: float) -> float:  # noqa: ARG002
        return 3.0


def test_a_state_goes_on_bit_for_bit() -> None:
    engine = an_engine()
    for event in (
        {"item": "i1", "available": False},
        {"item": "i4", "x": {"title": "Ä"}},
        {"item": "x", "x": {"a": 1}},
    ):
        send(engine, event)
    state = codec.decode(codec.encode(engine.state_dict()))
    restored = Engine(AutoRanker(), recommend=RecommendSettings(topic=REQUESTS, k=3))
    restored.load_state_dict(state)
    assert codec.encode(restored.state_dict()) == codec.encode(state)
    for question in ({"user": "u1", "k": 5}, {"user": "u1", "among": ["i4", "i1"], "attributes": True}):
        assert ask(restored, question) == ask(engine, question)
    assert "i1" not in ask(engine, {"user": "u1", "k": 5})["items"]
    for change in (
        {"attributes.items": ["x", "x"]},
        {"attributes.json": ["{}"]},
        {"attributes.json": ["{}", "[1]"]},
    ):
        with pytest.raises(StateError, match="attributes"):
            restored.load_state_dict({**state, **change})


def test_the_longest_set_attributes_are_forgotten_beyond_the_bound() -> None:
    known = ItemAttributes(3)
    for i in range(100):
        known.set("kept", {"i": i})
        known.set(i, {"i": i})
        assert len(known) <= 3
    assert known.of(["kept"]) != [None]
    assert known.of(["98"]) != [None]
    assert known.of(["96"]) == [None]
    engine = an_engine(attributes_max=2)
    send(engine, [{"item": f"i{i}", "x": {"n": i}} for i in range(5)])
    assert engine.recommending is not None
    assert engine.state_dict()["attributes.items"] == ["i3", "i4"]
    engine.recommending.configure(RecommendSettings(topic=REQUESTS, k=3, attributes_max=1))
    assert engine.state_dict()["attributes.items"] == ["i4"]


def test_deep_attributes_are_refused() -> None:
    x: dict[str, Any] = {}
    for _ in range(100_000):
        x = {"x": x}
    with pytest.raises(InvalidEventError, match="too deeply"):
        ItemAttributes(3).set("a", x)


def test_without_recommendations_availability_is_learned_alone() -> None:
    engine = Engine(AutoRanker())
    send(engine, {"item": "i1", "available": False, "x": {"title": "Big"}})
    assert not engine.learner.is_available("i1")
    assert not [name for name in engine.state_dict() if name.startswith("attributes")]


def test_what_events_say_is_told_apart() -> None:
    events = [
        ItemEvent("a", None, None),
        ItemEvent("b", None, None),
        ItemEvent("a", None, True),
        ItemEvent("a", None, False),
        ItemEvent("a", {}, None),
        ItemEvent("a", {"t": 1}, None),
        ItemEvent("a", {"t": 1}, True),
        ItemEvent(7, None, True),
        ItemEvent("7", None, True),
    ]
    assert len({content_hash(event) for event in events}) == len(events)
    assert content_hash(ItemEvent("a", {"t": 1, "u": 2}, id=1)) == content_hash(
        ItemEvent("a", {"u": 2, "t": 1.0}, id=2)
    )
