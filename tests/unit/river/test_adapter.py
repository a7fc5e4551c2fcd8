"""The learners inside River: its own checks, pipelines, evaluation and copies."""

from __future__ import annotations

import dataclasses
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgedescent import (
    BPR,
    AutoRecommender,
    FactorizationMachine,
    LinearRegressor,
    LogisticRegressor,
    MatrixFactorization,
    MLPRegressor,
)
from edgedescent.learners import Learner
from edgedescent.losses import HuberLoss
from edgedescent.optim import COCOB, SGD, Adam, ImportanceAware

pytest.importorskip("river", reason="River is an extra: pip install 'edgedescent[river]'")
pytest.importorskip("sklearn", reason="River's checks read data sets of scikit-learn: pip install 'edgedescent[bench]'")

from river import base, checks, datasets, ensemble, evaluate, metrics, preprocessing, reco

import edgedescent_river
from edgedescent_river import LogisticClassifier, RiverAdapter

ROOT = Path(__file__).parents[3]

LEARNERS: list[Learner] = [
    LinearRegressor(),
    LinearRegressor(optimizer=SGD()),
    LinearRegressor(loss=HuberLoss(), replay_steps=2),
    FactorizationMachine(),
    FactorizationMachine(n_factors=3, optimizer=ImportanceAware()),
    MLPRegressor(),
    MLPRegressor(hidden=(8,), optimizer=COCOB(), replay_steps=0),
    LogisticClassifier(),
    AutoRecommender(),
    MatrixFactorization(),
    MatrixFactorization(optimizer=SGD(lr=0.02), n_factors=3),
    BPR(),
]


def river_checks() -> list[Any]:
    """Each of River's checks of each learner; none is left out but those that the adapter documents."""
    return [
        pytest.param(learner, check, id=f"{learner!r}-{check.__name__}")
        for learner in LEARNERS
        for check in checks.yield_checks(learner)
        if check.__name__ not in learner._unit_test_skips()  # type: ignore[attr-defined]
    ]


class TestRegistration:
    def test_a_regressor_is_one_for_river(self) -> None:
        assert isinstance(LinearRegressor(), base.Regressor)
        assert issubclass(LinearRegressor, base.Estimator)
        assert not isinstance(LinearRegressor(), reco.base.Ranker)

    @pytest.mark.parametrize("kind", [FactorizationMachine, MLPRegressor])
    def test_so_are_the_others(self, kind: Any) -> None:
        assert isinstance(kind(), base.Regressor)

    def test_only_what_answers_labels_is_a_classifier(self) -> None:
        assert isinstance(LogisticClassifier(), base.Classifier)
        assert not isinstance(LogisticClassifier(), base.Regressor)
        assert not isinstance(LogisticRegressor(), base.Classifier | base.Regressor)

    @pytest.mark.parametrize("kind", [AutoRecommender, MatrixFactorization, BPR])
    def test_a_recommender_is_a_ranker_for_river(self, kind: Any) -> None:
        assert isinstance(kind(), reco.base.Ranker)
        assert not isinstance(kind(), base.Regressor)

    def test_registering_again_changes_nothing(self) -> None:
        before = dict(vars(Learner))
        RiverAdapter.register()
        assert {k: v for k, v in vars(Learner).items() if k in edgedescent_river._BORROWED} == {
            k: v for k, v in before.items() if k in edgedescent_river._BORROWED
        }

    def test_edgedescent_alone_never_imports_river(self) -> None:
        code = "import sys, edgedescent, edgedescent.config; print('river' in sys.modules)"
        answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert answer.stdout.strip() == "False"


class TestRiversChecks:
    @pytest.mark.parametrize(("learner", "check"), river_checks())
    def test_a_learner_passes(self, learner: Any, check: Any) -> None:
        check(learner.clone())

    def test_check_estimator_passes_on_a_pipeline(self) -> None:
        checks.check_estimator(preprocessing.StandardScaler() | LinearRegressor())

    @pytest.mark.parametrize("learner", LEARNERS, ids=repr)
    def test_only_documented_checks_are_skipped(self, learner: Any) -> None:
        readme = (ROOT / "adapters/edgedescent_river/README.md").read_text(encoding="utf-8")
        ours = learner._unit_test_skips()
        if isinstance(learner, reco.base.Ranker):
            ours -= reco.base.Ranker._unit_test_skips(learner)
        assert ours == {"check_init_default_params_are_not_mutable"}
        assert all(f"`{name}`" in readme for name in ours)

    @pytest.mark.parametrize("kind", sorted({type(learner) for learner in LEARNERS}, key=repr))
    def test_the_skipped_check_holds_in_substance(self, kind: type[Learner]) -> None:
        for parameter in inspect.signature(kind).parameters.values():
            if dataclasses.is_dataclass(parameter.default):
                assert parameter.default.__dataclass_params__.frozen  # type: ignore[union-attr]
            else:
                assert isinstance(parameter.default, (int, float, str, tuple, type(None)))


class TestPipelines:
    def test_a_pipeline_learns(self) -> None:
        model = preprocessing.StandardScaler() | LinearRegressor()
        mae = evaluate.progressive_val_score(datasets.TrumpApproval(), model, metrics.MAE())
        mean = evaluate.progressive_val_score(
            datasets.TrumpApproval(), preprocessing.StandardScaler() | _Mean(), metrics.MAE()
        )
        assert mae.get() < 0.75 * mean.get()

    @pytest.mark.parametrize("kind", [FactorizationMachine, MLPRegressor])
    def test_every_regressor_learns_in_a_pipeline(self, kind: Any) -> None:
        model = preprocessing.StandardScaler() | kind()
        mae = evaluate.progressive_val_score(datasets.TrumpApproval(), model, metrics.MAE())
        assert mae.get() < 1.0

    def test_a_classifier_answers_labels_and_probabilities(self) -> None:
        model = preprocessing.StandardScaler() | LogisticClassifier()
        assert evaluate.progressive_val_score(datasets.Phishing(), model, metrics.Accuracy()).get() > 0.85
        curve = evaluate.progressive_val_score(datasets.Phishing(), LogisticClassifier(), metrics.ROCAUC())
        assert curve.get() > 0.92
        checks.check_estimator(model.clone())
        ours, theirs = LogisticRegressor(), LogisticClassifier()
        for x, y in datasets.Phishing().take(200):
            ours.learn_one(x, y)
            theirs.learn_one(x, y)
        assert theirs.predict_proba_one(x) == ours.predict_proba_one(x)
        assert theirs.predict_one(x) is (ours.predict_one(x) > 0.5)

    def test_evaluation_by_river_equals_our_own(self) -> None:
        model, mae = LinearRegressor(), metrics.MAE()
        for x, y in datasets.ChickWeights():
            mae.update(y, model.predict_learn_one(x, y))
        scored = evaluate.progressive_val_score(datasets.ChickWeights(), LinearRegressor(), metrics.MAE())
        assert scored.get() == mae.get()

    def test_a_union_feeds_a_learner(self) -> None:
        model = (preprocessing.StandardScaler() + preprocessing.MinMaxScaler()) | LinearRegressor()
        for x, y in datasets.ChickWeights():
            model.learn_one(x, y)
        assert model["LinearRegressor"].n_events == datasets.ChickWeights().n_samples

    def test_a_clone_of_a_pipeline_has_learned_nothing(self) -> None:
        model = preprocessing.StandardScaler() | LinearRegressor(l2=0.1)
        for x, y in datasets.ChickWeights():
            model.learn_one(x, y)
        clone = model.clone({"LinearRegressor": {"clip": 3.0}})["LinearRegressor"]
        assert (clone.n_events, clone.l2, clone.clip) == (0, 0.1, 3.0)

    def test_an_ensemble_of_learners_learns(self) -> None:
        model = ensemble.BaggingRegressor(LinearRegressor(), n_models=3, seed=1)
        mae = evaluate.progressive_val_score(datasets.TrumpApproval().take(300), model, metrics.MAE())
        assert mae.get() < 2.0
        assert len({member.state_dict()["weights"].tobytes() for member in model}) == 3

    def test_a_pipeline_can_be_drawn_and_debugged(self) -> None:
        model = preprocessing.StandardScaler() | LinearRegressor()
        model.learn_one({"a": 1.0}, 2.0)
        assert "LinearRegressor" in model._repr_html_()
        assert model.debug_one({"a": 1.0}).endswith("Prediction: 2.00000")

    def test_memory_can_be_measured(self) -> None:
        steps = evaluate.iter_progressive_val_score(
            datasets.ChickWeights(), LinearRegressor(), metrics.MAE(), step=200, measure_memory=True
        )
        assert all(1000 < step["Memory"] < 100_000 for step in steps)


class TestRanker:
    def test_items_are_ranked_by_prediction(self) -> None:
        ranker: Any = MatrixFactorization()
        for _ in range(300):
            ranker.learn_one("ann", "tea", 5.0)
            ranker.learn_one("ann", "beer", 1.0)
            ranker.learn_one("ann", 7, 3.0)
        assert ranker.rank("ann", {"beer", "tea", 7}) == ["tea", 7, "beer"]
        assert not ranker.is_contextual

    def test_an_id_of_another_type_is_refused(self) -> None:
        ranker: Any = MatrixFactorization()
        with pytest.raises(ValueError, match="item id must be a string or an integer"):
            ranker.rank("ann", [("a", 1)])


def test_the_sample_configures_the_learner_it_names() -> None:
    from edgedescent.config import load

    config = load(ROOT / "adapters/edgedescent_river/sample.toml", environment={})
    expected = LinearRegressor(optimizer=Adam(lr=0.02), forgetting=0.001)
    assert config.build_learner().get_params() == expected.get_params()
    assert repr(expected).replace("Adam(lr=0.02, beta1=0.9, beta2=0.999, eps=1e-08)", "Adam(lr=0.02)") in (
        ROOT / "adapters/edgedescent_river/README.md"
    ).read_text(encoding="utf-8")


class _Mean(base.Regressor):  # type: ignore[misc]
    """Predicts the mean of the targets so far."""

    def __init__(self) -> None:
        self.total, self.n = 0.0, 0

    def learn_one(self, x: dict[str, float], y: float) -> None:  # noqa: ARG002 - River's signature
        self.total, self.n = self.total + y, self.n + 1

    def predict_one(self, x: dict[str, float]) -> float:  # noqa: ARG002 - River's signature
        return self.total / max(self.n, 1)
