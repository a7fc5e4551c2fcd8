"""Late labels: by id, key and time; bounds, expiry, and labels that are of no use."""

from __future__ import annotations

from typing import Any

import pytest

from edgedescent.assembly import Dropped, Row, Unusable
from support.assembly import Assembly, Sent, bits, sent

BY_ID = """
[inputs.q]
topics = ["q"]
fields = {a = "a"}
id = "id"
[inputs.l]
topics = ["l"]
fields = {y = "y"}
id = "id"
[assembly]
emit = "q"
[label]
input = "l"
feature = "l.y"
by = "id"
"""
BY_KEY = BY_ID.replace('id = "id"', 'key = "{m}"').replace('["q"]', '["q/{m}"]').replace('["l"]', '["l/{m}"]')
BY_KEY = BY_KEY.replace('by = "id"', 'by = "key"').replace("fields = {a", 'name = "q.{field}"\nfields = {a')
BY_KEY = BY_KEY.replace("fields = {y", 'name = "l.{field}"\nfields = {y')
BY_TIME = (
    BY_ID.replace("[assembly]", "[assembly]\nlateness_s = 0")
    .replace('id = "id"', 'time = "t"')
    .replace('by = "id"', 'by = "time"\nwithin_s = 10')
)


def ask(name: Any, a: float, at: float = 0.0) -> Sent:
    return sent("q", at, id=name, a=a)


def say(name: Any, y: Any, at: float = 0.0) -> Sent:
    return sent("l", at, id=name, y=y)


def told(one: Assembly, *messages: Sent) -> list[Any]:
    """Features and label of what is learned, and reasons of what is not; questions are left out."""
    return [
        (step.x, step.y, step.earlier) if isinstance(step, Row) else step.reason
        for step in one.take(*messages)
        if not (isinstance(step, Row) and step.y is None)
    ]


def test_the_model_learns_from_the_features_as_they_were() -> None:
    one = Assembly(BY_ID)
    assert told(one, ask("x", 1), ask("y", 2), ask(7, 3), say("y", 20), say(7, 30), say("x", 10)) == [
        ({"q.a": 2.0}, 20.0, 1.0),
        ({"q.a": 3.0}, 30.0, 2.0),
        ({"q.a": 1.0}, 10.0, 0.0),
    ]
    assert one.assembler.metrics()["questions_waiting"] == 0
    assert one.counts["labels_joined"] == 3


def test_a_label_right_behind_its_event_finds_it_whatever_the_lateness() -> None:
    one = Assembly(
        BY_ID.replace('id = "id"', 'id = "id"\ntime = "t"', 1).replace('"q"\n[label]', '"q"\nlateness_s = 5\n[label]')
    )
    messages = [sent("q", 100.0, id="x", a=1, t=100), say("x", 7, at=100.0), sent("q", 110.0, id="y", a=2, t=110)]
    assert told(one, *messages) == [({"q.a": 1.0}, 7.0, 0.0)]


def test_a_text_and_a_number_are_different_ids() -> None:
    assert told(Assembly(BY_ID), ask("7", 1), say(7, 1)) == ["no_question"]


def test_each_label_of_no_use_has_its_rule() -> None:
    one = Assembly(BY_ID)
    assert told(one, say("x", 1), ask("x", 1), say("x", 2), say("x", 2), say("x", 3), say(None, 1)) == [
        "no_question",
        ({"q.a": 1.0}, 2.0, 0.0),
        "second_label",
        "no_question",
    ]
    assert told(one, say("x", "warm"), say("x", None), sent("l", 0.0, id="x")) == ["wrong_type"]
    names = ("labels_unmatched", "labels_joined", "labels_repeated", "labels_corrected", "labels_missing")
    assert [one.counts[name] for name in names] == [2, 1, 1, 1, 1]


def test_a_question_of_the_same_id_replaces_the_one_that_waits() -> None:
    one = Assembly(BY_ID)
    assert told(one, ask("x", 1), ask("x", 2), say("x", 9)) == [({"q.a": 2.0}, 9.0, 1.0)]
    assert one.counts["questions_replaced"] == 1
    # Asked anew, it may be answered anew.
    assert told(one, ask("x", 3), say("x", 8)) == [({"q.a": 3.0}, 8.0, 3.0)]


def test_a_question_without_an_id_cannot_wait() -> None:
    one = Assembly(BY_ID)
    assert told(one, ask(None, 1)) == ["it has no id, so that no label can find it"]
    assert (one.counts["questions"], one.counts["questions_unnamed"]) == (0, 1)


def test_what_waits_is_bounded_by_count_by_bytes_and_by_time() -> None:
    one = Assembly(BY_ID + "waiting_max = 2\n")
    assert told(one, ask(1, 1), ask(2, 2), ask(3, 3)) == ["no room: too many questions wait for their labels"]
    assert told(one, say(1, 1), say(2, 1)) == ["no_question", ({"q.a": 2.0}, 1.0, 1.0)]
    one = Assembly(BY_ID + "waiting_bytes_max = 1000\n")
    assert len(told(one, ask(1, 1), ask(2, 2), ask(3, 3))) == 1
    assert one.assembler.metrics()["questions_waiting_bytes"] == 2 * 460
    one = Assembly(BY_ID + "ttl_s = 60\n")
    assert told(one, ask(1, 1, at=0.0), ask(2, 2, at=60.0)) == []
    [dropped] = [step for step in one.take(ask(3, 3, at=61.0)) if isinstance(step, Dropped)]
    assert (dropped.question.id, dropped.reason) == (1, "no label came within 60 s")
    assert one.counts["questions_expired"] == 1


def test_by_key_the_newest_question_is_answered() -> None:
    one = Assembly(BY_KEY)
    messages = [sent("q/press", 0.0, a=1), sent("q/saw", 0.0, a=2), sent("q/press", 1.0, a=3)]
    assert told(one, *messages, sent("l/press", 2.0, y=5), sent("l/saw", 2.0, y=6)) == [
        ({"q.a": 3.0}, 5.0, 2.0),
        ({"q.a": 2.0}, 6.0, 1.0),
    ]


def test_by_time_the_newest_question_until_then_is_answered() -> None:
    one = Assembly(BY_TIME)
    asked = [sent("q", 100.0, a=i, t=10 * i) for i in range(1, 5)]
    said = [sent("l", 100.0, y=i, t=t) for i, t in enumerate((25, 25, 25.5, 5, 51, 40))]
    assert told(one, *asked, *said) == [
        ({"q.a": 2.0}, 0.0, 1.0),
        # The same time again, with another label.
        "second_label",
        # The newest one left is further away than `within_s`.
        "no_question",
        "no_question",
        "no_question",
        ({"q.a": 4.0}, 5.0, 3.0),
    ]


def test_what_waits_survives_a_restart() -> None:
    one = Assembly(BY_ID)
    one.take(ask("x", 1), ask(7, 2), say("x", 5))
    other = one.restarted()
    assert bits(other.assembler) == bits(one.assembler)
    messages = (say(7, 1), say("x", 6), say("x", 5))
    assert told(one, *messages) == told(other, *messages)
    assert bits(other.assembler) == bits(one.assembler)


def test_a_question_that_the_learner_refuses_does_not_wait() -> None:
    one = Assembly(BY_ID)
    for step in one.assembler.take(*ask("x", 1), one.counts):
        assert isinstance(step, Row)
    assert told(one, say("x", 1)) == ["no_question"]
    assert isinstance(one.take(say("x", 1))[0], Unusable)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_state_with_a_number_that_is_not_finite_is_taken(value: float) -> None:
    from edgedescent.assembly.labels import LabelSpec, Question, WaitingQuestions

    waiting = WaitingQuestions(LabelSpec(input="l", feature="l.y", by="id"))
    for bad in (Question(0.0, {"a": value}, 1.0), Question(0.0, {"a": 1.0}, value)):
        with pytest.raises(ValueError, match="not finite"):
            waiting.restore(1, [("sx", bad)], [])
