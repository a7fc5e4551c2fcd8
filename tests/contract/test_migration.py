"""Migration of every learner: what it has learned goes on under other hyper-parameters, or is refused in words."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pytest

from edgedescent import (
    BPR,
    FactorizationMachine,
    LinearRegressor,
    LogisticRegressor,
    MatrixFactorization,
    MLPRegressor,
)
from edgedescent.learners import Learner
from edgedescent.learners.migration import Migration, Rule, changed, migrate
from edgedescent.losses import AbsoluteLoss, PoissonLoss
from edgedescent.optim import COCOB, SGD, Adam, CosineRestarts, FTRLProximal, MiniBatch, Momentum, Optimizer
from edgedescent.validation import parameters
from support.exported import OPTIMIZED

FEATURES: list[type[Learner]] = [LinearRegressor, LogisticRegressor, FactorizationMachine, MLPRegressor]
RATINGS: list[type[Learner]] = [MatrixFactorization, BPR]
ALL = FEATURES + RATINGS
SMALL: Mapping[type[Learner], dict[str, Any]] = {MLPRegressor: {"hidden": (8,)}}


def make(kind: type[Learner], **given: Any) -> Any:
    return kind(**{**SMALL.get(kind, {}), **given})


def learn(learner: Any, count: int = 200, seed: int = 0) -> Any:
    rng = random.Random(seed)
    for _ in range(count):
        if learner.input_kind == "ratings":
            learner.learn_one(f"u{rng.randrange(9)}", f"i{rng.randrange(20)}", float(rng.randint(1, 5)))
        else:
            x = {"a": rng.gauss(3, 2), "b": rng.gauss(0, 9), "site": rng.choice(["north", "south"])}
            learner.learn_one(x, float(rng.random() < 0.4) if learner.target_kind == "binary" else rng.gauss(5, 1))
    return learner


def predictions(learner: Any) -> list[float]:
    if learner.input_kind == "ratings":
        return [learner.predict_one(f"u{user}", f"i{item}") for user in range(10) for item in range(21)]
    return [
        learner.predict_one({"a": a, "b": 3.0 - a, "site": site}) for a in range(-3, 9) for site in ("north", "new")
    ]


def carried(before: Any, after: Any) -> Migration:
    """Migration of a state, which must be possible and leave the predictions as they were."""
    migration = migrate(before, after, before.state_dict())
    assert [note for note in migration.notes if note.outcome == "impossible"] == []
    assert predictions(after) == predictions(before)
    learn(after, 50, seed=1)
    # The state is one that the learner saves and loads.
    clone = after.clone()
    clone.load_state_dict(after.state_dict())
    assert predictions(clone) == predictions(after)
    return migration


def refusal(before: Any, after: Any) -> str:
    """Text of a refused migration, which must leave the new learner as it was."""
    untouched = predictions(after)
    notes = [note for note in migrate(before, after, before.state_dict()).notes if note.outcome == "impossible"]
    assert predictions(after) == untouched
    return "; ".join(map(str, notes))


@pytest.mark.parametrize("kind", ALL)
def test_other_rates_change_nothing_that_was_learned(kind: type[Learner]) -> None:
    before = learn(make(kind, optimizer=Adam(lr=0.02)))
    after = make(kind, optimizer=Adam(lr=0.05, beta1=0.8))
    migration = migrate(before, after, before.state_dict())
    assert [note.outcome for note in migration.notes] == ["kept"]
    assert list(before.state_dict()) == list(after.state_dict())
    for name, value in before.state_dict().items():
        assert np.array_equal(value, after.state_dict()[name]), name
    assert predictions(after) == predictions(before)


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(
    "given",
    [
        {"when_full": "share"},
        {"seed": 9},
        {"replay_steps": 3},
        {"replay_size": 50},
        {"replay_steps": 2, "replay_size": 30, "seed": 4},
    ],
)
def test_every_learner_takes_parameters_that_change_no_weight(kind: type[Learner], given: dict[str, Any]) -> None:
    carried(learn(make(kind)), make(kind, **given))
    carried(learn(make(kind, replay_steps=4, replay_size=70)), make(kind, **given))


@pytest.mark.parametrize(("kind", "after"), [(kind, one) for kind, one in OPTIMIZED if kind in ALL])
def test_weights_outlive_every_change_of_the_optimizer(kind: type[Learner], after: type[Optimizer]) -> None:
    for old in (Adam(lr=0.01, average_rate=0.01), FTRLProximal(), COCOB(), MiniBatch(optimizer=Momentum(), size=4)):
        before = learn(make(kind, optimizer=old), 120)
        migration = carried(before, make(kind, optimizer=after()))
        assert [note.outcome for note in migration.notes][:1] == ([] if old == after() else ["kept"])


@pytest.mark.parametrize("kind", ALL)
def test_every_declared_parameter_has_a_rule_or_is_refused(kind: type[Learner]) -> None:
    names = set(parameters(kind))
    assert set(kind.migrations) <= names
    assert names - set(kind.migrations) <= {"hidden", "n_factors", "hash_bits"}


@pytest.mark.parametrize(
    ("before", "after", "name"),
    [
        (make(MLPRegressor), make(MLPRegressor, hidden=(9,)), "hidden"),
        (FactorizationMachine(), FactorizationMachine(n_factors=4), "n_factors"),
        (MatrixFactorization(), MatrixFactorization(n_factors=4), "n_factors"),
        (LinearRegressor(), LinearRegressor(hash_bits=8), "hash_bits"),
    ],
)
def test_what_decides_on_the_meaning_of_weights_is_refused(before: Any, after: Any, name: str) -> None:
    text = refusal(learn(before), after)
    assert text.startswith(f"impossible: `{name}` was ")
    assert text.endswith("which decides what the weights mean")


def test_one_impossible_parameter_refuses_all() -> None:
    assert "n_factors" in refusal(learn(FactorizationMachine()), FactorizationMachine(n_factors=4, l2=0.1))


def test_another_learner_is_refused() -> None:
    assert refusal(learn(LinearRegressor()), LogisticRegressor()) == (
        "impossible: the state of LinearRegressor means nothing to LogisticRegressor"
    )


def test_a_learner_that_declares_nothing_is_refused_in_words() -> None:
    class Own(LinearRegressor):
        migrations: ClassVar[Mapping[str, Rule]] = {}

    assert refusal(learn(Own()), Own(l2=0.1)) == (
        "impossible: `l2` was 0.0, is 0.1, and Own declares no parameters that may change"
    )


# --- Bounds -----------------------------------------------------------------------------------------------------------


def test_tables_grow_and_shrink_as_far_as_they_are_used() -> None:
    before = learn(LinearRegressor(features_max=100))
    for room in (10_000, 4):
        migration = carried(before, LinearRegressor(features_max=room))
        assert str(migration.notes[0]) == f"kept: all 4 features: `features_max` was 100, is {room}"
    assert refusal(before, LinearRegressor(features_max=3)).endswith("but 4 features are in use")
    ranker = learn(MatrixFactorization(users_max=50))
    carried(ranker, MatrixFactorization(users_max=9, items_max=20))
    assert "but 20 items are in use" in refusal(ranker, MatrixFactorization(users_max=9, items_max=19))


@pytest.mark.parametrize("kind", ALL)
def test_a_smaller_replay_buffer_keeps_the_newest_events(kind: type[Learner]) -> None:
    before = learn(make(kind, replay_steps=1, replay_size=100))
    after = make(kind, replay_steps=1, replay_size=30)
    carried_over = migrate(before, after, before.state_dict())
    old, new = before.state_dict(), after.state_dict()
    assert np.array_equal(new["replay_buffer.times"], old["replay_buffer.times"][-30:])
    assert np.array_equal(new["replay_buffer.rows"], old["replay_buffer.rows"][-len(new["replay_buffer.rows"]) :])
    assert str(carried_over.notes[0]).startswith("kept: 30 of ")


def seen(ranker: Any, user: str) -> set[str]:
    return set(ranker.recommend(user, 30)) - set(ranker.recommend(user, 30, exclude_seen=True))


def test_the_items_seen_are_carried_over_newest_first() -> None:
    for depth in (0, 1, 3, 5, 40):
        for now in (0, 1, 2, 5, 6, 100):
            before = learn(MatrixFactorization(seen_max=depth), 300)
            if now < depth:
                after = MatrixFactorization(seen_max=now)
                migrate(before, after, before.state_dict())
                for user in range(9):
                    wanted, kept = seen(before, f"u{user}"), seen(after, f"u{user}")
                    assert kept <= wanted
                    assert len(kept) == min(now, len(wanted))
            if now != depth:
                carried(before, MatrixFactorization(seen_max=now))


def test_the_newest_item_seen_is_the_one_kept() -> None:
    before = MatrixFactorization(seen_max=3)
    for item in "abcde":
        before.learn_one("ann", item, 3.0)
    after = MatrixFactorization(seen_max=2)
    migrate(before, after, before.state_dict())
    assert sorted(after.recommend("ann", 9, exclude_seen=True)) == ["a", "b", "c"]
    after.learn_one("ann", "f", 3.0)
    assert sorted(after.recommend("ann", 9, exclude_seen=True)) == ["a", "b", "c", "d"]


# --- Meaning ----------------------------------------------------------------------------------------------------------


def test_categories_can_be_added() -> None:
    before = LinearRegressor()
    for i in range(300):
        before.learn_one({"hour": i % 24, "site": "north"}, float(i % 24))
    after = LinearRegressor(categories=("hour",))
    notes = migrate(before, after, before.state_dict()).notes
    assert [note.outcome for note in notes] == ["kept", "starts anew"]
    assert (
        str(notes[1]) == "starts anew: hour, because integers are names there now; what was learned from numbers rests"
    )
    assert after.predict_one({"site": "north"}) == before.predict_one({"site": "north"})
    after.learn_one({"hour": 3}, 3.0)
    assert "hour=3" in after.coefficients


def test_losses_of_the_same_unit_are_exchanged() -> None:
    before = learn(LinearRegressor())
    carried(before, LinearRegressor(loss=AbsoluteLoss()))
    assert "other units" in refusal(before, LinearRegressor(loss=PoissonLoss()))


def test_the_clip_is_a_part_of_the_prediction() -> None:
    before, after = learn(LinearRegressor()), LinearRegressor(clip=3.0)
    migrate(before, after, before.state_dict())
    assert after.predict_one({"a": 3.0}) == before.predict_one({"a": 3.0})


@pytest.mark.parametrize(("old", "new"), [((), (0.9,)), ((0.9,), ()), ((0.8, 0.9), (0.9,))])
def test_other_levels_of_intervals_are_calibrated_anew(old: tuple[float, ...], new: tuple[float, ...]) -> None:
    before = learn(LinearRegressor(interval_levels=old))
    after = LinearRegressor(interval_levels=new)
    notes = carried(before, after).notes
    assert [note.outcome for note in notes] == ["kept", "starts anew"]
    assert str(notes[1]) == "starts anew: the calibration of the intervals"
    # It has learned 50 events since.
    assert after.intervals is None or after.intervals.n_scored == 48


# --- The optimizer ----------------------------------------------------------------------------------------------------


def test_the_slots_of_another_rule_start_anew() -> None:
    before = learn(LinearRegressor(optimizer=Adam()))
    after = LinearRegressor(optimizer=Momentum())
    notes = carried(before, after).notes
    assert [note.outcome for note in notes] == ["kept", "starts anew"]
    assert str(notes[1]).endswith("because the step rule is another one")


@pytest.mark.parametrize("kind", [FTRLProximal, COCOB])
def test_weights_that_follow_from_the_slots_do_not_jump(kind: type[Optimizer]) -> None:
    given: dict[str, Any] = {"l1": 3.0, "lr": 0.5} if kind is FTRLProximal else {"alpha": 1000.0}
    before = learn(LinearRegressor(optimizer=kind()), 500)
    after = LinearRegressor(optimizer=kind(**given))
    notes = migrate(before, after, before.state_dict()).notes
    assert [note.outcome for note in notes] == ["kept", "starts anew"]
    weights = before.coefficients
    after.learn_one({"a": 3.0, "b": 0.0, "site": "north"}, before.predict_one({"a": 3.0, "b": 0.0, "site": "north"}))
    # The event is predicted as it is, so that nearly nothing is to be changed.
    assert all(abs(after.coefficients[name] - weights[name]) < 0.05 for name in weights)


def test_averages_become_the_weights_and_begin_with_them() -> None:
    averaged = learn(LinearRegressor(optimizer=SGD(average_rate=0.001)))
    plain = LinearRegressor(optimizer=SGD())
    assert str(carried(averaged, plain).notes[-1]) == "kept: what predicts: the averages become the weights"
    again = LinearRegressor(optimizer=SGD(average_rate=0.1))
    assert str(carried(plain, again).notes[-1]) == "kept: what predicts: the averages begin with the weights"


def test_a_schedule_goes_on_or_starts_anew() -> None:
    before = learn(LinearRegressor(optimizer=SGD(schedule=CosineRestarts(period=1000))))
    longer = LinearRegressor(optimizer=SGD(schedule=CosineRestarts(period=5000)))
    migrate(before, longer, before.state_dict())
    assert longer.state_dict()["stepper"][2] == 200
    none = LinearRegressor(optimizer=SGD())
    notes = migrate(before, none, before.state_dict()).notes
    assert [str(note) for note in notes][1] == "starts anew: the schedule, because it is another one"
    assert none.state_dict()["stepper"][2] == 0


def test_a_batch_of_another_size_begins_anew() -> None:
    before = learn(LinearRegressor(optimizer=MiniBatch(optimizer=Adam(), size=64)), 40)
    assert np.any(before.state_dict()["weights.batch_count"])
    after = LinearRegressor(optimizer=MiniBatch(optimizer=Adam(), size=8))
    migrate(before, after, before.state_dict())
    assert not np.any(after.state_dict()["weights.batch_count"])
    same = LinearRegressor(optimizer=MiniBatch(optimizer=Adam(lr=0.5), size=64))
    migrate(before, same, before.state_dict())
    assert np.array_equal(same.state_dict()["weights.batch_count"], before.state_dict()["weights.batch_count"])


def test_changed_parameters_are_listed_in_order() -> None:
    assert list(changed(LinearRegressor(), LinearRegressor(l2=0.1, l1=0.2))) == ["l1", "l2"]
