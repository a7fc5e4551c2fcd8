"""Models that share an encoder: each does what it does alone, and an event is read once for all of them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from edgedescent import FactorizationMachine, LinearRegressor, MLPRegressor
from edgedescent.features._encoder import Encoder
from edgedescent.learners._factorization_machine import FactorizationMachineModel
from edgedescent.learners._feature_learner import CompiledFeatureLearner
from edgedescent.learners._feature_model import FeatureModel
from edgedescent.learners._linear import LinearModel
from edgedescent.learners._mlp import MLPModel

# So small that features are evicted, and rows of replayed events are assigned to other names.
SHARED: dict[str, Any] = {"features_max": 12, "replay_size": 50}

KINDS: tuple[tuple[type[FeatureModel], Any], ...] = (
    (LinearModel, LinearRegressor(**SHARED)),
    (FactorizationMachineModel, FactorizationMachine(n_factors=3, replay_steps=2, **SHARED)),
    (MLPModel, MLPRegressor(hidden=(6, 4), replay_steps=3, **SHARED)),
)


class CountedName(int):
    """A name that counts how often it is turned into text, which is done to look it up."""

    n_read = 0

    def __str__(self) -> str:
        type(self).n_read += 1
        return super().__repr__()


def encoder() -> Encoder:
    return Encoder(clip=5.0, forgetting=0.0002, features_max=SHARED["features_max"], when_full="evict")


def group() -> CompiledFeatureLearner:
    shared = encoder()
    return CompiledFeatureLearner(shared, [kind(shared, parameters) for kind, parameters in KINDS])


def events(n: int) -> Iterator[tuple[dict[str, Any], float]]:
    rng = random.Random(7)
    for i in range(n):
        x: dict[str, Any] = {f"x{j}": rng.gauss(j, 2.0) for j in range(8) if rng.random() < 0.8}
        x["site"] = rng.choice(("north", "south", "east"))
        if i % 20 == 0:
            x[f"new-{i}"] = rng.random()
        yield x, sum(v for v in x.values() if not isinstance(v, str)) + rng.gauss(0.0, 0.1)


def bits(state: dict[str, Any]) -> dict[str, Any]:
    return {
        name: [part if isinstance(part, str) else part.tobytes() for part in value]
        if isinstance(value, list)
        else value.tobytes()
        for name, value in state.items()
    }


def test_each_model_ends_like_the_lone_learner_bit_for_bit() -> None:
    shared, alone = group(), [parameters.clone() for _, parameters in KINDS]
    for x, y in events(500):
        expected = [learner.predict_learn_one(x, y) for learner in alone]
        assert shared.predict_learn_one(x, y) == expected[0]
        assert shared.predictions.tolist() == expected
    assert shared.encoder.vocabulary.evicted > 10
    for model, learner in zip(shared.models, alone, strict=True):
        assert bits(model.save()) == bits(learner.model.save())
        own, other = learner.encoder.save(), shared.encoder.save()
        assert own.pop("features") == other.pop("features")
        assert bits(own) == bits(other)


def test_predicting_asks_every_model_and_leaves_the_state() -> None:
    shared, alone = group(), [parameters.clone() for _, parameters in KINDS]
    for x, y in events(50):
        shared.learn_one(x, y)
        for learner in alone:
            learner.learn_one(x, y)
    before = [bits(model.save()) for model in shared.models]
    x = {"x1": 1.0, "x3": -2.0, "site": "south", "unknown": 3.0}
    shared.predict_one(x)
    assert shared.predictions.tolist() == [learner.predict_one(x) for learner in alone]
    assert [bits(model.save()) for model in shared.models] == before


def test_rows_of_arrays_are_learned_by_all_models() -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(100, 4))
    y = X @ np.arange(4.0)
    shared, alone = group(), [parameters.clone() for _, parameters in KINDS]
    predictions = shared.learn_many(X, y)
    expected = [learner.learn_many(X, y) for learner in alone]
    assert predictions.tolist() == expected[0].tolist()
    assert shared.predictions.tolist() == [each[-1] for each in expected]


@pytest.mark.parametrize("n_models", [1, 3])
def test_names_are_looked_up_once_for_all_models(n_models: int) -> None:
    shared = encoder()
    learner = CompiledFeatureLearner(shared, [kind(shared, parameters) for kind, parameters in KINDS[:n_models]])
    CountedName.n_read = 0
    for i in range(10):
        learner.learn_one({CountedName(j): 1.0 * i for j in range(i + 1)}, 1.0)
    assert CountedName.n_read == sum(range(11))
    assert shared.vocabulary.keys() == [str(j) for j in range(10)]
    assert shared.n_events == learner.n_events == 10


def test_a_model_must_be_made_with_the_encoder_that_it_shares() -> None:
    model = LinearModel(encoder(), LinearRegressor(**SHARED))
    with pytest.raises(ValueError, match="made with the encoder"):
        CompiledFeatureLearner(encoder(), [model])
    with pytest.raises(ValueError, match="must have a model"):
        CompiledFeatureLearner(encoder(), [])


def test_a_model_cannot_join_late() -> None:
    learner = LinearRegressor(**SHARED)
    learner.learn_one({"a": 1.0}, 1.0)
    with pytest.raises(ValueError, match="has learned 1 events"):
        LinearModel(learner.encoder, learner)
