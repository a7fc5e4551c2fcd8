"""The automatic regressor as a whole: never worse than the obvious, robust, and able to say what it does."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from edgedescent import AutoRegressor
from edgedescent.ensemble.members import BUDGETS as MEMBERS
from edgedescent.losses import AbsoluteLoss, HuberLoss, QuantileLoss, SquaredLoss
from edgedescent.testing.support import bits

Budget = Literal["tiny", "small", "default", "large"]
BUDGETS: list[Budget] = ["tiny", "small", "default", "large"]
Numbers = NDArray[np.float64]


def absolute_errors(labels: Numbers, X: Numbers | None = None, budget: Budget = "tiny", seen: Any = None) -> Numbers:
    """Errors on `labels` of a learner that is taught `seen`, the same unless given."""
    model = AutoRegressor(budget=budget)
    X = np.zeros((len(labels), 0)) if X is None else X
    predictions = model.learn_many(X, labels if seen is None else seen)
    return np.abs(predictions - labels)


def walk(n: int, seed: int = 1) -> Numbers:
    return np.random.default_rng(seed).normal(size=n).cumsum()


def line(n: int, seed: int = 2) -> tuple[Numbers, Numbers]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    return X, X @ [3.0, -2.0, 1.0, 0.0] + 50.0 + 0.3 * rng.normal(size=n)


def seasonal(n: int, period: int = 24) -> Numbers:
    rng = np.random.default_rng(3)
    return 10.0 * rng.normal(size=period)[np.arange(n) % period] + 0.3 * rng.normal(size=n)


@pytest.mark.parametrize("budget", BUDGETS)
def test_where_nothing_beats_the_last_value_it_is_as_good(budget: Budget) -> None:
    labels = walk(1500)
    X = np.random.default_rng(5).normal(size=(1500, 3))
    assert absolute_errors(labels, X, budget)[300:].mean() < 1.05 * np.abs(np.diff(labels))[299:].mean()


def test_values_that_come_again_are_learned_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    codes, load = rng.integers(20, size=1500), rng.normal(size=1500)
    X, labels = np.column_stack([codes, load]), 10.0 * rng.normal(size=20)[codes] * load
    late = absolute_errors(labels, X)[500:].mean()
    networks = tuple(one._replace(takes_values=False) for one in MEMBERS["tiny"].networks)
    monkeypatch.setitem(MEMBERS, "tiny", MEMBERS["tiny"]._replace(networks=networks))
    assert late < 0.8 * absolute_errors(labels, X)[500:].mean()


def test_a_row_that_another_feature_has_got_has_no_values_of_the_one_before() -> None:
    model = AutoRegressor(budget="tiny", features_max=3)
    for i in range(300):
        model.learn_one({"hour": i % 5, "load": 0.1 * i}, float(i % 5))
    assert model.model.values.n_slots == 5
    for i in range(2000):
        model.learn_one({"other": i % 7, "load": 0.1, "third": -0.3}, float(i % 7))
    state = model.state_dict()
    assert "hour" not in state["features"]
    row = state["features"].index("other") + 1
    assert (state["values.rows"][state["values.rows"] > 0] == row).all()
    assert (state["ring.slots"] < 0).any()


def test_the_widest_events_with_values_that_come_again_are_learned_and_restored() -> None:
    model = AutoRegressor(budget="tiny", features_max=20_000, replay_size=1)
    for i in range(16):
        model.learn_one({f"f{j}": float((i + j) % 3) for j in range(60 if i < 15 else 16_384)}, float(i))
    assert model.model.values.n_slots == 128
    x = {f"f{j}": 1.0 for j in range(16_384)}
    model.learn_one(x, 1.0)
    restored = model.clone()
    restored.load_state_dict(model.state_dict())
    assert restored.predict_one(x) == model.predict_one(x)


def test_features_that_share_rows_may_take_and_free_places_in_one_event() -> None:
    model = AutoRegressor(budget="tiny", features_max=40, when_full="share")
    for i in range(5):
        x = {f"f{j}": float(i * j % 29) for j in range(4000)} | {f"g{j}": 0.5 for j in range(4000)}
        model.learn_one(x, float(i))
        model.learn_one(dict(reversed(x.items())), float(i))
    assert np.isfinite(model.predict_one(x))


def error_after(change: float, unit: float, budget: Budget) -> float:
    """Error 100 to 300 events after a change of a weight and of the label's unit, over that of a fresh learner."""
    rng = np.random.default_rng(7)
    X = rng.normal(size=(1800, 3))
    weights = np.where(np.arange(1800)[:, None] < 1500, 1.0, [change, 1.0, 1.0])
    labels = (X * weights).sum(axis=1) + 0.1 * rng.normal(size=1800)
    labels[1500:] *= unit
    errors = absolute_errors(labels, X, budget)[1600:]
    return float(errors.mean() / absolute_errors(labels[1500:], X[1500:], budget)[100:].mean())


@pytest.mark.parametrize("budget", ["tiny", "small"])
@pytest.mark.parametrize(("change", "unit"), [(10.0, 1.0), (1.0, 10.0), (1.0, 0.01)])
def test_a_larger_weight_and_another_unit_of_the_label_are_followed(change: float, unit: float, budget: Budget) -> None:
    assert error_after(change, unit, budget) < 1.2


@pytest.mark.parametrize("budget", BUDGETS)
def test_a_line_is_learned_to_its_noise(budget: Budget) -> None:
    X, labels = line(1000)
    assert absolute_errors(labels, X, budget)[500:].mean() < 1.15 * 0.3 * np.sqrt(2 / np.pi)


def test_a_season_is_found_without_features() -> None:
    assert absolute_errors(seasonal(1500))[1000:].mean() < 0.5


@pytest.mark.parametrize("stream", ["walk", "line", "season"])
def test_outlying_labels_cost_little(stream: str) -> None:
    X, labels = {"walk": (None, walk(3000)), "line": line(3000), "season": (None, seasonal(3000))}[stream]
    rng = np.random.default_rng(6)
    bad = rng.random(len(labels)) < 0.01
    seen = labels + np.where(bad, rng.choice([-20.0, 20.0], len(labels)) * labels.std(), 0.0)
    clean, spoiled = absolute_errors(labels, X), absolute_errors(labels, X, seen=seen)
    assert spoiled[500:].mean() < 1.15 * clean[500:].mean()


def test_a_move_of_the_level_is_followed_within_a_few_labels() -> None:
    labels = np.random.default_rng(7).normal(size=600)
    labels[300:] += 500.0
    errors = absolute_errors(labels)
    assert errors[305:320].mean() < 5.0


def test_before_the_first_label_it_predicts_zero_and_then_the_first_label() -> None:
    model = AutoRegressor()
    assert model.predict_one({"a": 1.0}) == 0.0
    model.learn_one({"a": 1.0}, 7.0)
    assert model.predict_one({"a": 2.0}) == pytest.approx(7.0, rel=1e-12)


def test_predicting_many_events_before_their_labels_come_changes_nothing() -> None:
    X, labels = line(300)
    prompt, late = AutoRegressor(budget="tiny"), AutoRegressor(budget="tiny")
    events = [{"a": float(row[0]), "b": float(row[1])} for row in X]
    for i, (x, y) in enumerate(zip(events, labels, strict=True)):
        prompt.learn_one(x, y)
        for ahead in events[i : i + 5]:
            late.predict_one(ahead)
        late.learn_one(x, y)
    assert bits(prompt) == bits(late)


def late_errors(labels: Numbers, behind: int, label_delay: int) -> Numbers:
    """Errors on labels that come `behind` events after the next one is predicted."""
    model, predictions = AutoRegressor(budget="tiny", label_delay=label_delay), list[float]()
    for t in range(len(labels)):
        if t > behind:
            model.learn_one({}, labels[t - behind - 1])
        predictions.append(model.predict_one({}))
    return np.abs(np.array(predictions) - labels)


def test_an_event_that_was_just_predicted_is_learned_as_any_other() -> None:
    rng = np.random.default_rng(11)
    models = [AutoRegressor(budget="small") for _ in range(4)]
    for i in range(400):
        x: dict[str, Any] = {"a": rng.normal(), "code": int(rng.integers(5)), "site": f"s{rng.integers(1 + i // 40)}"}
        if i > 200:
            x["new"] = rng.normal()
        y = 3.0 * x["a"] + x["code"] + (0.0 if i < 300 else 100.0) + 0.1 * rng.normal()
        if i % 7 == 0:
            # What was predicted for another age of the last label, or before another label, is another prediction.
            for model in models[1:]:
                model.predict_one(x)
            for model in models:
                model.set_label_delay(i // 7 % 3)
        if i % 11 == 0:
            for model in models[1:]:
                model.predict_one(x)
            for model in models:
                model.skip_one(x)
        models[1].predict_one(x)
        models[2].predict_one({**x, "a": -x["a"]})
        models[3].predict_one(x)
        models[3].predict_one({**x, "a": -x["a"]})
        if i % 50 == 0:
            models[3] = models[3].clone(include_attributes=True)
        assert len({model.predict_learn_one(x, y) for model in models}) == 1, i
    assert all(bits(model) == bits(models[0]) for model in models)


@pytest.mark.parametrize("behind", [1, 6, 30])
def test_a_delay_that_is_known_keeps_the_season_in_phase(behind: int) -> None:
    labels = seasonal(1000)
    assert late_errors(labels, behind, behind)[600:].mean() < 0.8
    assert late_errors(labels, behind, 0)[600:].mean() > 1.5


def test_what_is_learned_is_predicted_from_labels_as_old() -> None:
    labels = walk(400)
    errors = absolute_errors(labels)[100:]
    model = AutoRegressor(budget="tiny", label_delay=9)
    late = np.abs(model.learn_many(np.zeros((400, 0)), labels) - labels)[100:]
    assert late.mean() > 1.5 * errors.mean()


def test_a_new_category_is_predicted_from_labels_as_old() -> None:
    model = AutoRegressor(budget="tiny", label_delay=5)
    for t in range(8):
        model.learn_one({}, float(t))
    # Of its own it says nothing, and the sixth label before is the last that was known.
    known = model.predict_learn_one({}, 8.0)
    twin = AutoRegressor(budget="tiny", label_delay=5)
    for t in range(8):
        twin.learn_one({}, float(t))
    assert twin.predict_learn_one({"site": "north"}, 8.0) == known


def test_a_delay_is_part_of_the_state_and_may_be_changed() -> None:
    model = AutoRegressor(budget="tiny")
    model.learn_many(np.zeros((300, 0)), seasonal(300))
    model.set_label_delay(4)
    restored = AutoRegressor(budget="tiny")
    restored.load_state_dict(model.state_dict())
    assert restored.predict_one({}) == model.predict_one({})
    assert restored.counts()["label_age_events"] == 4
    before = model.predict_one({})
    model.set_params(label_delay=2)
    assert model.counts()["label_age_events"] == 2
    assert model.predict_one({}) != before
    with pytest.raises(ValueError, match=r"A number of events must be >= 0\. Got -1\."):
        model.set_label_delay(-1)


def test_after_labels_that_never_came_the_season_is_in_its_place() -> None:
    labels, model = seasonal(1000), AutoRegressor(budget="tiny")
    for y in labels[:900]:
        model.learn_one({}, y)
    n_events = model.n_events
    for _ in labels[900:930]:
        model.skip_one({})
    assert (model.n_events, model.counts()["label_age_events"]) == (n_events, 30)
    assert "age of the last label: 30 events" in model.summary()
    assert model.predict_one({}) == pytest.approx(labels[930], abs=2.0)
    model.learn_one({}, labels[930])
    assert model.counts()["label_age_events"] == 0


def test_before_the_first_label_there_is_nothing_to_stand_in_for() -> None:
    model = AutoRegressor(budget="tiny")
    before = bits(model)
    model.skip_one({"a": 1.0})
    assert bits(model) == before


def test_the_summary_says_who_leads_and_what_was_found() -> None:
    model = AutoRegressor(budget="tiny")
    assert "after 0 events" in model.summary()
    rng = np.random.default_rng(8)
    model.learn_many(rng.normal(size=(800, 1)), seasonal(800))
    lines = model.summary(experts_max=3).splitlines()
    assert lines[0] == "AutoRegressor with budget tiny after 800 events"
    listed = lines[3:6]
    weights = [float(text.split("%")[0]) for text in listed]
    assert weights == sorted(weights, reverse=True)
    assert all(any(text.endswith(name) for name in model.model.names()) for text in listed)
    assert lines[6] == "periods of the labels: 24" or lines[6].startswith("periods of the labels: 24 and ")
    assert lines[7] == "key, the feature whose values have lags of their own: none"
    assert lines[8].startswith("weight of the correction by trees: ")


@pytest.mark.parametrize("q", [0.1, 0.9])
def test_a_quantile_depends_on_the_features(q: float) -> None:
    rng = np.random.default_rng(10)
    X = rng.random(size=(2500, 1))
    labels = 5.0 + 4.0 * X[:, 0] * rng.normal(size=2500)
    model = AutoRegressor(budget="tiny", loss=QuantileLoss(q=q))
    below = labels <= model.learn_many(X, labels)
    assert below[500:].mean() == pytest.approx(q, abs=0.02)
    few, many = (abs(model.predict_one({"x0": x}) - 5.0) for x in (0.1, 0.9))
    assert many > 2.5 * few


def test_the_squared_loss_predicts_the_mean_of_skewed_labels() -> None:
    rng = np.random.default_rng(11)
    labels, X = rng.exponential(size=3000), rng.normal(size=(3000, 2))
    last = {}
    for loss in (AbsoluteLoss(), SquaredLoss()):
        last[loss.rule] = AutoRegressor(budget="tiny", loss=loss).learn_many(X, labels)[1000:].mean()
    assert last["absolute"] < 0.8
    assert last["squared"] == pytest.approx(1.0, abs=0.1)


def test_what_stands_in_for_a_label_is_no_quantile() -> None:
    model = AutoRegressor(budget="tiny", loss=QuantileLoss(q=0.99))
    model.learn_many(np.zeros((500, 0)), np.random.default_rng(12).normal(size=500))
    for _ in range(20):
        model.skip_one({})
    assert np.abs(model.model.history.next_lags()[0]) < 1.0 < model.predict_one({})


def test_another_loss_is_refused() -> None:
    with pytest.raises(ValueError, match="`loss` of AutoRegressor must be AbsoluteLoss, SquaredLoss or QuantileLoss"):
        AutoRegressor(loss=HuberLoss())


def test_outlying_labels_are_counted() -> None:
    model = AutoRegressor(budget="tiny")
    labels = np.random.default_rng(9).normal(size=300)
    labels[[100, 150, 200]] = 1000.0
    model.learn_many(np.zeros((300, 0)), labels)
    assert model.counts()["labels_replaced"] == 3
    assert "outlying labels replaced: 3" in model.summary()


@pytest.mark.parametrize("budget", BUDGETS)
def test_each_budget_goes_on_from_a_saved_state(budget: Budget) -> None:
    X, labels = line(200)
    model = AutoRegressor(budget=budget)
    model.learn_many(X[:120], labels[:120])
    restored = model.clone(include_attributes=True)
    assert model.learn_many(X[120:], labels[120:]).tolist() == restored.learn_many(X[120:], labels[120:]).tolist()
    assert bits(model) == bits(restored)


def test_a_state_of_another_budget_is_refused() -> None:
    larger = AutoRegressor(budget="default")
    with pytest.raises(ValueError, match="network2"):
        AutoRegressor(budget="small").load_state_dict(larger.state_dict())


def test_an_unknown_budget_is_refused() -> None:
    with pytest.raises(ValueError, match="The `budget` of AutoRegressor must be one of 'tiny', 'small'"):
        AutoRegressor(budget="huge")  # type: ignore[arg-type]
