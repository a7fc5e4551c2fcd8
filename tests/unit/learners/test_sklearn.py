"""Learners are estimators of scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.compose import make_column_transformer
from sklearn.ensemble import StackingRegressor, VotingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from edgedescent import (
    BPR,
    AutoRegressor,
    FactorizationMachine,
    LinearRegressor,
    LogisticRegressor,
    MatrixFactorization,
    MLPRegressor,
)
from edgedescent.learners.sample_weights import repetitions
from edgedescent.optim import RLS, SGD, Adam, MiniBatch
from edgedescent.testing.support import bits
from edgedescent_river import LogisticClassifier

EXCEPTIONS = {
    "check_do_not_raise_errors_in_init_or_set_params": "a wrong parameter is refused where it is given, not at `fit`",
    "check_parameters_default_constructible": "the default of `optimizer` and of `loss` is an object, immutable",
    "check_sample_weight_equivalence_on_dense_data": "it shuffles the rows, whose order matters to online learning",
    "check_regressor_data_not_an_array": "it compares columns with and without names, and names seed the first weights",
}
"""Checks that a learner may fail, and why; docs/python.md has the same."""
ESTIMATORS = [
    LinearRegressor(),
    LogisticRegressor(),
    FactorizationMachine(),
    MLPRegressor(),
    AutoRegressor(budget="tiny"),
]
RNG = np.random.default_rng(3)
X = RNG.normal(size=(300, 3))
Y = X @ [3.0, -2.0, 1.0] + 10.0


# It warns of what is refused, and of what it skips.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: type(estimator).__name__)
def test_the_checks_of_scikit_learn_pass(estimator: Any) -> None:
    results = check_estimator(estimator, on_skip=None, on_fail=None)
    failed = {result["check_name"]: result["exception"] for result in results if result["status"] == "failed"}
    assert set(failed) <= set(EXCEPTIONS), failed
    assert len(results) > 40


def test_the_exceptions_are_documented() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs/python.md").read_text(encoding="utf-8")
    for check, reason in EXCEPTIONS.items():
        assert f"| `{check}` | {reason} |" in page
    assert len(EXCEPTIONS) <= 5


def test_a_grid_search_over_a_pipeline() -> None:
    pipe = make_pipeline(StandardScaler(), LinearRegressor(optimizer=SGD()))
    grid = {"linearregressor__optimizer__lr": [1e-9, 0.05], "linearregressor__l2": [0.0]}
    search = GridSearchCV(pipe, grid, cv=TimeSeriesSplit(3)).fit(X, Y)
    assert search.best_params_["linearregressor__optimizer__lr"] == 0.05
    assert search.score(X, Y) > 0.9


def test_cross_validation() -> None:
    assert cross_val_score(LinearRegressor(), X, Y, cv=TimeSeriesSplit(3)).min() > 0.95
    labels = np.where(Y > 10.0, "high", "low")
    assert cross_val_score(LogisticRegressor(), X, labels, cv=3, scoring="roc_auc").min() > 0.9
    assert cross_val_predict(LogisticRegressor(), X, labels, cv=3, method="predict_proba").shape == (300, 2)


def test_ensembles_of_scikit_learn() -> None:
    stack = StackingRegressor([("linear", LinearRegressor()), ("machine", FactorizationMachine())], Ridge(), cv=2)
    assert stack.fit(X, Y).score(X, Y) > 0.9
    vote = VotingClassifier([("ours", LogisticRegressor()), ("theirs", LogisticRegression())], voting="soft")
    assert vote.fit(X, Y > 10.0).score(X, Y > 10.0) > 0.9


def test_data_frames_pass_through_a_pipeline() -> None:
    frame = pd.DataFrame({"temp": X[:, 0], "site": np.where(X[:, 1] > 0, "north", "south")})
    y = 3.0 * frame["temp"] + np.where(frame["site"] == "north", 5.0, -5.0)
    scaled = make_column_transformer(
        (StandardScaler(), ["temp"]), remainder="passthrough", verbose_feature_names_out=False
    )
    pipe = make_pipeline(scaled.set_output(transform="pandas"), LinearRegressor()).fit(frame, y)
    assert pipe.score(frame, y) > 0.95
    assert pipe[-1].feature_names_in_.tolist() == ["temp", "site"]
    assert "site=north" in pipe[-1].coefficients


@pytest.mark.parametrize("learner", [*ESTIMATORS, MatrixFactorization(n_factors=4), BPR()])
def test_clone_and_parameters(learner: Any) -> None:
    copy = clone(learner)
    assert copy.get_params() == learner.get_params()
    deep = learner.get_params(deep=True)
    assert learner.get_params(deep=False).items() <= deep.items()
    assert copy.set_params(seed=7).seed == 7
    assert bits(copy) == bits(type(learner)(**{**learner.get_params(), "seed": 7}))
    with pytest.raises(ValueError, match=r"Invalid parameter 'sead' for estimator .*Valid parameters are: \["):
        copy.set_params(sead=7)


def test_nested_parameters() -> None:
    model = LinearRegressor(optimizer=MiniBatch(optimizer=Adam(lr=0.5), size=4), interval_levels=[0.8])  # type: ignore[arg-type]
    assert model.get_params(deep=True)["optimizer__optimizer__lr"] == 0.5
    model.set_params(optimizer__optimizer__lr=0.25, optimizer__size=8)
    assert model.optimizer == MiniBatch(optimizer=Adam(lr=0.25), size=8)
    model.set_params(optimizer=SGD(), optimizer__lr=0.1)
    assert model.optimizer == SGD(lr=0.1)
    for wrong, message in (
        ({"optimizer__rate": 1}, "Invalid parameter 'rate' for estimator SGD"),
        ({"optimizer__lr": -1}, "`lr` of SGD must be > 0"),
        ({"l2__x": 1}, "Invalid parameter 'x' for estimator 0.0"),
    ):
        with pytest.raises(ValueError, match=message):
            model.set_params(**wrong)
        assert model.optimizer == SGD(lr=0.1)


def test_a_changed_parameter_keeps_what_was_learned_where_it_holds() -> None:
    model = LinearRegressor().fit(X, Y)
    before = model.predict(X)
    model.set_params(l2=0.1)
    assert model.predict(X).tolist() == before.tolist()
    assert model.n_features_in_ == 3
    model.partial_fit(X, Y)
    machine = FactorizationMachine().fit(X, Y)
    with pytest.warns(UserWarning, match="FactorizationMachine begins anew: `n_factors` was 10, is 3"):
        machine.set_params(n_factors=3)
    assert (machine.n_events, hasattr(machine, "n_features_in_")) == (0, False)
    assert machine.fit(X, Y).n_events == 300


def test_fit_forgets_and_partial_fit_does_not() -> None:
    model = MLPRegressor(hidden=(4,)).fit(X, Y)
    once = bits(model)
    assert bits(model.fit(X, Y)) == once
    model.partial_fit(X, Y)
    assert model.n_events == 600
    with pytest.raises(ValueError, match="Input y contains NaN"):
        model.fit(X, np.full(300, np.nan))
    assert model.n_events == 600


@pytest.mark.parametrize(("y", "message"), [([2.0], "3 rows but y has 1"), ([1.0, np.nan, 0.0], "contains NaN")])
@pytest.mark.parametrize("kind", [LinearRegressor, LogisticRegressor])
def test_a_score_needs_a_label_for_each_row(kind: Any, y: list[float], message: str) -> None:
    X = [[1.0], [2.0], [3.0]]
    model = kind().fit(X, [0.0, 1.0, 1.0])
    with pytest.raises(ValueError, match=message):
        model.score(X, y)


def test_joblib_keeps_the_learner(tmp_path: Path) -> None:
    model = LogisticRegressor().fit(X, np.where(Y > 10.0, "high", "low"))
    joblib.dump(model, tmp_path / "model.joblib")
    for mode in (None, "r"):
        again = joblib.load(tmp_path / "model.joblib", mmap_mode=mode)
        assert again.classes_.tolist() == ["high", "low"]
        assert again.predict(X).tolist() == model.predict(X).tolist()
        again.partial_fit(X, np.where(Y > 10.0, "high", "low"))
    assert (
        sum(joblib.Parallel(n_jobs=2, backend="threading")(joblib.delayed(model.score)(X, Y > 10) for _ in "ab")) == 0
    )


def test_an_event_of_weight_two_is_learned_twice() -> None:
    weights = np.tile([2.0, 0.0, 1.0], 100)
    weighted = LinearRegressor().fit(X, Y, sample_weight=weights)
    repeated = LinearRegressor().fit(X.repeat(weights.astype(int), axis=0), Y.repeat(weights.astype(int)))
    assert bits(weighted) == bits(repeated)
    frame = pd.DataFrame({"site": ["a", "b", "c"]})
    assert LinearRegressor().fit(frame, [1.0, 2.0, 3.0], sample_weight=[0, 2, 1]).coefficients.keys() == {
        "site=b",
        "site=c",
    }


def test_fractions_of_weights_add_up_over_calls() -> None:
    counts, left = repetitions(np.full(10, 0.3), 10, 0.5)
    assert (counts.sum(), round(left, 6)) == (3, 0.5)
    whole, parts = LinearRegressor(), LinearRegressor()
    whole.partial_fit(X, Y, sample_weight=np.full(300, 0.3))
    for x, y in zip(X, Y, strict=True):
        parts.partial_fit([x], [y], sample_weight=[0.3])
    assert whole.n_events == parts.n_events == 90
    assert bits(whole) == bits(parts)


@pytest.mark.parametrize("weights", [[-1.0, 1.0], [np.nan, 1.0], [1e9, 1.0], [1.0], [[1.0], [1.0]], ["a", "b"]])
def test_wrong_weights_are_refused(weights: Any) -> None:
    with pytest.raises(ValueError, match="sample_weight"):
        LinearRegressor().fit([[1.0], [2.0]], [1.0, 2.0], sample_weight=weights)


def test_labels_of_any_kind() -> None:
    for labels in (["no", "yes"], [0, 1], [3, 7], [False, True], [-1.0, 1.0]):
        y = np.array(labels)[(Y > 10.0).astype(int)]
        model = LogisticRegressor().fit(X, pd.Series(y))
        assert model.classes_.tolist() == labels
        assert model.score(X, y) > 0.9
        assert model.predict_proba(X)[:, 1].tolist() == model.predict_many(X).tolist()
    assert LogisticRegressor().predict([[1.0]]).tolist() == [0.5]
    assert LogisticRegressor().partial_fit(X, np.full(300, 0.25)).predict(X[:1])[0] < 0.4


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0.1, 0.7, 0.3], "Unknown label type: continuous"),
        (["a", "b", "c"], "Only binary classification is supported"),
        (["a", "a", "a"], "needs labels of two classes. Got 1 class"),
        ([0.0, 1.0, np.nan], "Input y contains NaN"),
        (np.array(["a", None, "b"], dtype=object), "NaN or None"),
        ([[0], [1]], "1d array|rows but y"),
    ],
)
@pytest.mark.filterwarnings("ignore:A column-vector")
def test_wrong_labels_are_refused(y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LogisticRegressor().fit(X[:3], y)


def test_classes_are_named_at_first() -> None:
    model = LogisticRegressor().partial_fit(X[:1], ["no"], classes=["yes", "no"])
    model.partial_fit(X[1:2], ["yes"])
    with pytest.raises(ValueError, match=r"must be of the classes .* Got \[\"np.str_\('maybe'\)\"\]|maybe"):
        model.partial_fit(X[:1], ["maybe"])
    with pytest.raises(ValueError, match="`classes` is not the same as before"):
        model.partial_fit(X[:1], ["no"], classes=["a", "b"])
    assert model.n_events == 2


def test_the_classifier_for_river_has_probabilities_too() -> None:
    model = LogisticClassifier().fit(X, Y > 10.0)
    assert model.predict_proba(X).tolist() == LogisticRegressor().fit(X, Y > 10.0).predict_proba(X).tolist()
    assert set(model.predict(X).tolist()) == {False, True}


def test_what_they_are() -> None:
    assert all(is_regressor(e) for e in ESTIMATORS if not isinstance(e, LogisticRegressor))
    assert is_classifier(LogisticRegressor())
    assert LinearRegressor(optimizer=RLS()).score(X[:5], Y[:5]) < 1.0
