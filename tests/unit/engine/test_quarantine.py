"""What is held back as a flood, what is not, and how it gets in."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from edgedescent import BPR, LinearRegressor, LogisticRegressor, MatrixFactorization
from edgedescent.engine._quarantine import Quarantine
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import DeadLetter, Effect, Message, Predictions


class Stream:
    """An engine and what it is told."""

    def __init__(self, learner: Any = None, **options: Any) -> None:
        self.engine = Engine(learner or LinearRegressor(), **options)

    def tell(self, *events: dict[str, Any]) -> list[Effect]:
        payload = json.dumps(events[0] if len(events) == 1 else events).encode()
        return self.engine.handle(Message(self.engine.position + 1, 5.0, "events", payload))

    def labels(self, *labels: float) -> int:
        """Tell events with these labels; returns how many of them were held back."""
        before = self.held
        for y in labels:
            self.tell({"x": {"a": 1.0}, "y": y})
        return self.held - before

    def wide(self, n: int, prefix: str = "w") -> int:
        """Tell an event of `n` names; returns 1 if it was held back."""
        before = self.held
        self.tell({"x": {f"{prefix}{i}": 1.0 for i in range(n)}, "y": 1.0})
        return self.held - before

    @property
    def held(self) -> int:
        return self.engine.counters["dead_letters.quarantined"]


def usual(n: int = 200, scale: float = 1.0, offset: float = 0.0) -> list[float]:
    return [offset + scale * (i % 11 - 5) for i in range(n)]


class TestLabels:
    @pytest.mark.parametrize("absurd", [-1e6, 1e6, 1e40])
    def test_absurd_ones_are_dead_letters_and_change_nothing(self, absurd: float) -> None:
        stream = Stream()
        stream.labels(*usual())
        before = stream.engine.learner.state_dict()
        effects = stream.tell({"id": "a", "x": {"a": 1.0}, "y": absurd})
        (letter,) = effects
        assert isinstance(letter, DeadLetter)
        assert letter.reason == "quarantined"
        assert letter.error.startswith(f"The label {absurd:g} is more than 10000 times as large as any before")
        after = stream.engine.learner.state_dict()
        assert all(np.array_equal(before[name], after[name]) for name in before)
        assert stream.engine.metrics()["targets_unscored"] == 0
        # Its id was not learned, so that it can be sent again.
        (answer,) = stream.tell({"id": "a", "x": {"a": 1.0}, "y": 1.0})
        assert isinstance(answer, Predictions)
        assert stream.engine.counters["duplicates"] == 0

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            (usual(), usual(scale=1000.0)),
            (usual(scale=0.01, offset=20.0), usual(scale=0.01, offset=293.15)),
            (usual(scale=0.01, offset=20.0), usual(scale=10.0, offset=20_000.0)),
            ([0.0] * 1000, usual(scale=50.0)),
            ([21.5] * 1000, usual(scale=400.0)),
            ([0.0] * 1000, [0.001 * 1.5**i for i in range(60)]),
            ([0.0] * 990 + [1.0] * 10, usual(scale=1e6)),
            ([5.0] * 5, usual(scale=1e9)),
            (usual(scale=1e5), usual(scale=1e-9)),
            # It rested in between.
            ([*usual(scale=50.0), *usual(10_000, scale=1e-9)], usual(scale=50.0)),
        ],
        ids=["unit", "kelvin", "unit of an offset", "rest at 0", "rest", "start from 0", "counts", "start", "small",
             "rest with noise"],
    )  # fmt: skip
    def test_changes_of_scale_are_not(self, before: list[float], after: list[float]) -> None:
        stream = Stream()
        assert stream.labels(*before) == 0
        assert stream.labels(*after) == 0

    def test_they_get_in_once_there_are_five_hundred_in_a_row(self) -> None:
        stream = Stream()
        stream.labels(*usual())
        assert stream.labels(*[1e6] * 600) == 500
        assert stream.engine.metrics()["quarantines_lifted"] == 1
        # From then on the others are as usual as before.
        assert stream.labels(*usual(), *[2e6] * 50) == 0

    def test_a_few_between_others_never_do_and_many_do_in_the_end(self) -> None:
        stream = Stream()
        stream.labels(*usual())
        assert stream.labels(*[y for i in range(3000) for y in ([1e6] if i % 6 == 0 else [1.0])]) == 500
        assert stream.labels(*[y for i in range(9000) for y in ([1e6] if i % 3 == 0 else [1.0])]) < 2000
        assert stream.labels(1e6) == 0

    def test_one_outlier_does_not_make_room_for_a_larger_one(self) -> None:
        stream = Stream()
        stream.labels(*usual())
        assert stream.labels(4e4) == 0
        assert stream.labels(1e6) == 1

    def test_ratings_are_judged_too_and_likes_are_not(self) -> None:
        for learner, held in ((MatrixFactorization(), 1), (BPR(), 0)):
            stream = Stream(learner)
            for i in range(100):
                stream.tell({"user": i % 7, "item": i % 5, "y": 1.0 + i % 4})
            stream.tell({"user": 1, "item": 2, "y": 1e6})
            assert stream.held == held

    def test_what_no_learner_takes_stays_what_it_was(self) -> None:
        stream = Stream(LogisticRegressor())
        stream.labels(*[float(i % 2) for i in range(100)])
        (letter,) = stream.tell({"x": {"a": 1.0}, "y": 7.0})
        assert isinstance(letter, DeadLetter)
        assert letter.reason == "wrong_type"

    def test_a_question_is_answered(self) -> None:
        stream = Stream()
        stream.labels(*usual(), 1e6)
        assert not isinstance(stream.tell({"x": {"a": 1.0}})[0], DeadLetter)


class TestNames:
    @pytest.mark.parametrize(
        "x",
        [
            {f"f{i}": 1.0 for i in range(1100)},
            {f"f{i}": "v" for i in range(1100)},
            {"a": {f"f{i}": 1.0 for i in range(1100)}},
            {f"l{j}": [1.0] * 700 for j in range(2)},
        ],
        ids=["numbers", "categories", "nested", "lists"],
    )
    @pytest.mark.parametrize("hash_bits", [None, 4])
    def test_a_flood_of_them_is_a_dead_letter(self, x: dict[str, Any], hash_bits: int | None) -> None:
        stream = Stream(LinearRegressor(hash_bits=hash_bits, features_max=4096))
        stream.labels(*usual())
        before = stream.engine.learner.state_dict()
        (letter,) = stream.tell({"x": x, "y": 1.0})
        assert isinstance(letter, DeadLetter)
        assert letter.reason == "quarantined"
        assert letter.error.endswith("new names; the widest event before has 1 names.")
        after = stream.engine.learner.state_dict()
        assert all(np.array_equal(before[name], after[name]) for name in before)

    def test_a_wide_start_and_an_honest_extension_are_not(self) -> None:
        stream = Stream()
        assert stream.wide(3000, "first") == 0
        stream.labels(*usual())
        assert stream.wide(16_000) == 0

        stream = Stream()
        for _ in range(200):
            assert stream.wide(10) == 0
        assert stream.wide(900) == 0
        # Wider now, and so wide for good.
        assert stream.wide(7000) == 0

    def test_known_names_are_not_new(self) -> None:
        stream = Stream()
        for first in range(0, 4000, 10):
            stream.tell({"x": {f"f{i}": 1.0 for i in range(first, first + 10)}, "y": 1.0})
        stream.tell({"x": {f"f{i}": 1.0 for i in range(4000)}, "y": 1.0})
        assert stream.held == 0

    def test_they_get_in_once_there_are_five_hundred_in_a_row(self) -> None:
        stream = Stream()
        stream.labels(*usual())
        assert sum(stream.wide(1100, f"n{n}") for n in range(510)) == 500
        assert stream.engine.metrics()["quarantines_lifted"] == 1

    def test_a_learner_that_cannot_say_what_is_new_is_guarded_by_the_width(self) -> None:
        class Other(LinearRegressor):
            def predict_learn_one(self, x: Any, y: Any) -> float:
                return super().predict_learn_one(x, y)

        stream = Stream(Other())
        stream.labels(*usual())
        assert stream.wide(1100) == 1
        (letter,) = stream.tell({"x": {"a": {f"f{i}": [1.0, 2.0] for i in range(600)}}, "y": 1.0})
        assert isinstance(letter, DeadLetter)
        assert letter.error.startswith("The event brings 1200 new names")


def test_nothing_is_held_back_where_it_is_switched_off() -> None:
    stream = Stream(quarantine=False)
    stream.labels(*usual())
    assert stream.labels(*[-1e6] * 10) == 0
    assert stream.wide(16_000) == 0
    assert stream.engine.metrics()["quarantines_lifted"] == 0


def test_it_is_part_of_the_state() -> None:
    whole, first = Stream(), Stream()
    told = [*usual(50), *[1e6] * 300]
    first.labels(*told)
    second = Stream()
    second.engine.load_state_dict(first.engine.state_dict())
    assert second.labels(*[1e6] * 250) == 200
    assert whole.labels(*told, *[1e6] * 250) == 500
    assert whole.engine.state_dict()["quarantine"].tolist() == second.engine.state_dict()["quarantine"].tolist()


@pytest.mark.parametrize(("place", "value"), [(0, -1.0), (0, np.nan), (1, 33.0), (2, -1.0), (4, 2001.0), (5, 2001.0)])
def test_a_state_that_cannot_be_is_refused(place: int, value: float) -> None:
    state = Quarantine().save()
    state[place] = value
    with pytest.raises(ValueError, match="state of the quarantine"):
        Quarantine().restore(state)
    with pytest.raises(ValueError, match="state of the quarantine"):
        Quarantine().restore(state[1:])
