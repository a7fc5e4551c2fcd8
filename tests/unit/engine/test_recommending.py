"""Recommendations of the engine: answers, lists after events, scores, and a state that none of them changes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edgedescent import AutoRanker, MatrixFactorization
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import DeadLetter, Effect, Message, Predictions, Recommendations
from edgedescent.engine.settings import RecommendSettings
from edgedescent.errors import StateError
from edgedescent.evaluation import RankingScores
from edgedescent.learners import Learner
from edgedescent.learners.recommender import Recommender
from edgedescent.state import codec
from support.engines import letters

REQUESTS = "shop/recommend"


def settings(**changes: Any) -> RecommendSettings:
    return RecommendSettings(**{"topic": REQUESTS, "k": 3, **changes})


def an_engine(learner: Learner | None = None, **changes: Any) -> Engine:
    return Engine(learner or AutoRanker(), recommend=settings(**changes))


def choices(n: int, start: int = 0) -> list[dict[str, Any]]:
    return [{"id": i, "user": f"u{i % 7}", "item": f"i{i * i % 11}", "y": 1} for i in range(start, start + n)]


def learn(engine: Engine, *events: dict[str, Any]) -> list[Effect]:
    payload = json.dumps(events[0] if len(events) == 1 else events).encode()
    return engine.handle(Message(engine.position + 1, 5.0, "shop/events", payload))


def ask(engine: Engine, question: object, *, topic: str = "", correlation: bytes = b"") -> list[Effect]:
    payload = question if isinstance(question, bytes) else json.dumps(question).encode()
    message = Message(engine.position + 1, 5.0, REQUESTS, payload, response_topic=topic, correlation=correlation)
    return engine.handle(message)


def lists(effects: list[Effect]) -> list[Any]:
    return [json.loads(effect.payload) for effect in effects if isinstance(effect, Recommendations)]


def recommender(engine: Engine) -> Recommender:
    assert isinstance(engine.learner, Recommender)
    return engine.learner


def test_a_request_is_answered_where_it_wants() -> None:
    engine = an_engine()
    learn(engine, *choices(60))
    ranker = recommender(engine)
    (answer,) = ask(engine, {"user": "u1", "id": "page"}, topic="page/7", correlation=b"\x00\xff")
    assert isinstance(answer, Recommendations)
    assert (answer.response_topic, answer.correlation, answer.user) == ("page/7", b"\x00\xff", "")
    assert json.loads(answer.payload) == {"user": "u1", "items": ranker.recommend("u1", 3), "id": "page"}
    (found,) = lists(ask(engine, {"user": "u2", "k": 5, "exclude": ["i1"], "exclude_seen": True}))
    assert found["items"] == ranker.recommend("u2", 5, ["i1"], exclude_seen=True)[:5]
    (found,) = lists(ask(engine, {"user": "u2", "among": ["i4", "new", "i0"]}))
    assert found["items"] == ranker.recommend("u2", 3, among=["i4", "new", "i0"])
    # Nobody knows that user.
    (found,) = lists(ask(engine, {"user": 12345}))
    assert found == {"user": 12345, "items": ranker.recommend("12345", 3)}
    assert len(found["items"]) == 3
    assert engine.counters["recommend_requests"] == engine.counters["recommendations"] == 4


def test_an_array_is_answered_in_order_with_what_is_wrong_in_its_place() -> None:
    engine = an_engine()
    learn(engine, *choices(60))
    effects = ask(
        engine,
        [{"user": "u1"}, {"user": "u1", "exclude": "i1", "id": 8}, {"user": "u1", "k": 50}, {"user": "x" * 513}],
    )
    (answers,) = lists(effects)
    n_items = recommender(engine).n_items
    assert [list(answer) for answer in answers] == [["user", "items"], ["error", "id"], ["error"], ["error"]]
    assert answers[1] == {"error": "`exclude` is 'i1': expected a list of item ids.", "id": 8}
    dead = letters(effects)
    assert [(one.index, one.reason, one.topic) for one in dead] == [
        (1, "wrong_type", REQUESTS),
        (2, "out_of_range", REQUESTS),
        (3, "too_large", REQUESTS),
    ]
    assert dead[1].error == f"`k` is 50: expected at most the {n_items} items there are."
    assert [answer["error"] for answer in answers[1:]] == [one.error for one in dead]
    assert json.loads(dead[0].payload) == {"user": "u1", "exclude": "i1", "id": 8}
    assert engine.counters["dead_letters"] == 3
    # Everything that was not left out is there: the list is short, and k is not too large.
    (found,) = lists(ask(engine, {"user": "u1", "k": n_items, "exclude": ["i1"]}))
    assert len(found["items"]) == n_items - 1


def test_what_is_no_json_is_answered_and_an_empty_catalogue_too() -> None:
    engine = an_engine()
    (answer, letter) = ask(engine, b"{", topic="page")
    assert isinstance(answer, Recommendations)
    assert isinstance(letter, DeadLetter)
    assert answer.response_topic == "page"
    assert json.loads(answer.payload) == {"error": letter.error}
    assert lists(ask(engine, {"user": "ann"})) == [{"user": "ann", "items": []}]
    assert ask(engine, []) == []
    # More requests than are answered, and a payload that is too large.
    assert [one.reason for one in letters(ask(engine, [{"user": "ann"}] * 101))] == ["too_many_events"]
    assert [one.reason for one in letters(ask(engine, b"[" + b" " * 1_048_576 + b"]"))] == ["too_large"]


def test_requests_change_nothing_that_is_learned_or_scored() -> None:
    asked, other = an_engine(), an_engine(after="event")
    for i, event in enumerate(choices(120)):
        learn(asked, event)
        learn(other, event)
        ask(asked, {"user": f"u{i % 9}", "exclude_seen": True})
    one, two = asked.state_dict(), other.state_dict()
    names = [name for name in one if name.startswith(("learner.", "ranking.", "errors"))]
    assert len(names) > 10
    for name in names:
        assert codec.encode({name: one[name]}) == codec.encode({name: two[name]}), name


def test_lists_follow_the_events_of_a_message() -> None:
    engine = an_engine(after="event")
    (predictions, lists_) = learn(engine, choices(1)[0])
    assert isinstance(predictions, Predictions)
    assert isinstance(lists_, Recommendations)
    assert json.loads(lists_.payload) == {"user": "u0", "items": ["i0"], "id": 0}
    # A question, and a repeat, are not learned.
    assert lists(learn(engine, {"user": "u0", "item": "i0"})) == []
    assert lists(learn(engine, choices(1)[0])) == []
    (found,) = lists(learn(engine, *choices(20, start=1)))
    assert [one["id"] for one in found] == list(range(1, 21))
    assert found[-1]["items"] == recommender(engine).recommend("u6", 3)
    assert engine.counters["recommendations"] == 21


def test_retained_lists_are_the_last_of_each_user() -> None:
    engine = an_engine(after="event", retain=True)
    effects = [effect for effect in learn(engine, *choices(20)) if isinstance(effect, Recommendations)]
    assert {effect.user for effect in effects} == {f"u{i}" for i in range(7)}
    last = next(effect for effect in effects if effect.user == "u5")
    assert json.loads(last.payload)["id"] == 19
    assert json.loads(last.payload)["items"] == recommender(engine).recommend("u5", 3)


def test_a_message_in_slices_has_the_lists_of_one_at_once() -> None:
    payload = json.dumps(choices(40)).encode()
    whole, sliced = an_engine(after="event"), an_engine(after="event")
    expected = whole.handle(Message(1, 5.0, "shop/events", payload))
    effects = sliced.begin(Message(1, 5.0, "shop/events", payload), 7)
    while effects is None:
        effects = sliced.proceed(7)
    assert effects == expected


@pytest.mark.parametrize("exclude_seen", [False, True])
def test_scores_are_those_of_the_evaluation(*, exclude_seen: bool) -> None:
    engine = an_engine(score_every=3, exclude_seen=exclude_seen)
    twin, scores, skipped = AutoRanker(), RankingScores(k=3), 0
    seen = set()
    for number, event in enumerate(choices(300), start=1):
        user, item = event["user"], event["item"]
        if number % 3 == 0:
            if exclude_seen and (user, item) in seen:
                skipped += 1
            else:
                scores.update(twin.recommend(user, 3, exclude_seen=exclude_seen), item)
        twin.learn_one(user, item)
        seen.add((user, item))
        learn(engine, event)
    metrics, wanted = engine.metrics(), scores.summary()
    assert metrics["lists_scored"] == 100 - skipped
    assert (skipped > 0) == exclude_seen
    for name in ("recall", "ndcg", "hit_rate"):
        assert metrics[f"{name}_at_k"] == pytest.approx(wanted[name], rel=1e-12)
    assert metrics["catalogue_coverage"] == wanted["coverage"]
    assert 0.0 < metrics["recall_at_k_recent"] <= 1.0


def test_only_likes_are_choices() -> None:
    engine = an_engine(MatrixFactorization(), score_every=1, likes_from=4.0)
    learn(engine, *({"user": "a", "item": f"i{i}", "y": i % 5 + 1} for i in range(20)))
    assert engine.metrics()["lists_scored"] == 8
    engine = an_engine(score_every=1)
    learn(engine, *({"user": "a", "item": f"i{i}", "y": i % 2} for i in range(20)))
    assert engine.metrics()["lists_scored"] == 10
    engine = an_engine(score_every=0)
    learn(engine, *choices(20))
    assert engine.metrics()["lists_scored"] == 0


def test_ids_that_are_too_long_are_dead_letters_and_change_nothing() -> None:
    engine, other = an_engine(score_every=1, after="event"), an_engine(score_every=1, after="event")
    for event in choices(10):
        learn(engine, event)
        learn(other, event)
    effects = learn(engine, {"user": "u" * 513, "item": "i", "y": 1}, {"user": "u", "item": "i" * 513, "y": 1})
    assert [one.reason for one in letters(effects)] == ["too_large", "too_large"]
    assert lists(effects) == []
    assert engine.metrics()["lists_scored"] == other.metrics()["lists_scored"] == 10
    assert (engine.state_dict()["ranking.sums"] == other.state_dict()["ranking.sums"]).all()


def test_the_state_goes_on_bit_for_bit() -> None:
    engine = an_engine(score_every=2)
    for event in choices(90):
        learn(engine, event)
    state = codec.decode(codec.encode(engine.state_dict()))
    restored = an_engine(score_every=2)
    restored.load_state_dict(state)
    for event in choices(50, start=90):
        assert learn(engine, event) == learn(restored, event)
    assert ask(engine, {"user": "u3"}) == ask(restored, {"user": "u3"})
    assert codec.encode(engine.state_dict()) == codec.encode(restored.state_dict())
    # A state from before there were any begins anew; one of other lists is refused.
    older = {name: value for name, value in state.items() if not name.startswith("ranking.")}
    fresh = an_engine()
    fresh.load_state_dict(older)
    assert fresh.metrics()["lists_scored"] == 0
    with pytest.raises(StateError, match="ranking with k 4"):
        an_engine(k=4).load_state_dict(state)


def test_scores_begin_anew_with_another_k_alone() -> None:
    engine = an_engine(score_every=1)
    learn(engine, *choices(20))
    assert engine.recommending is not None
    scores = engine.recommending.scores
    engine.recommending.configure(settings(after="event"))
    assert engine.recommending.scores is scores
    engine.recommending.configure(settings(k=2))
    assert engine.recommending.summary() == {"lists_scored": 0}


def test_lists_hold_the_cap_of_the_settings_and_say_why() -> None:
    engine = an_engine(category="kind", per_category=1, score_every=0)
    for n in range(11):
        learn(engine, {"item": f"i{n}", "x": {"kind": ["even", "small"] if n % 2 == 0 else "odd", "size": n}})
    learn(engine, *choices(60))
    (effect,) = ask(engine, {"user": "u1", "k": 3, "reasons": True})
    (answer,) = lists([effect])
    # Two kinds there are, so that there is no third item.
    assert sorted(int(item[1:]) % 2 for item in answer["items"]) == [0, 1]
    ranker = recommender(engine)
    assert answer["reasons"] == [list(ranker.reasons("u1", item)) for item in answer["items"]]
    assert any(answer["reasons"])
    (plain,) = lists(ask(engine, {"user": "u1", "k": 3}))
    assert "reasons" not in plain
    (refused,) = lists(ask(engine, {"user": "u1", "reasons": "why"}))
    assert refused == {"error": "`reasons` is 'why': expected true or false."}


@pytest.mark.parametrize("exclude_seen", [False, True])
def test_popularity_is_scored_by_the_same_choices_and_is_part_of_the_state(exclude_seen: bool) -> None:
    def engine() -> Engine:
        return an_engine(score_every=1, exclude_seen=exclude_seen, k=2)

    one, other = engine(), engine()
    learn(one, *choices(40))
    learn(one, {"id": "w", "item": "i4", "x": {}, "available": False})
    state = one.state_dict()
    other.load_state_dict(state)
    for each in (one, other):
        learn(each, *choices(60, 40))
    assert codec.encode(one.state_dict()) == codec.encode(other.state_dict())
    metrics = one.metrics()
    assert 0 < metrics["hit_rate_at_k_popularity"] < 1
    # A state of before has none, and counting begins.
    other = engine()
    other.load_state_dict({name: value for name, value in state.items() if not name.startswith("ranking.popularity.")})
    learn(other, *choices(60, 40))
    assert 0 <= other.metrics()["hit_rate_at_k_popularity"] <= 1
    assert "hit_rate_at_k_popularity" not in an_engine(score_every=0).metrics()
