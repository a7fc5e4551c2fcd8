"""River models as specifications, at least one of each family, and streams for them."""

from __future__ import annotations

import random
from typing import Any

from river import datasets

SCALER = "preprocessing.StandardScaler"
LINEAR = "linear_model.LinearRegression"
OPTIMIZERS = (
    "SGD",
    "Adam",
    "AdaGrad",
    "AdaDelta",
    "RMSProp",
    "Momentum",
    "NesterovMomentum",
    "AMSGrad",
    "Nadam",
    "FTRLProximal",
    "AdaBound",
    "AdaMax",
    "Newton",
)


def linear(optimizer: Any) -> list[Any]:
    return [SCALER, {"type": LINEAR, "optimizer": optimizer}]


def model(kind: str, **parameters: Any) -> dict[str, Any]:
    return {"type": kind, **parameters}


POLLS = ["gallup", "ipsos", "morning_consult", "rasmussen", "you_gov"]
UNION = model(
    "compose.TransformerUnion",
    transformers=[
        [model("compose.Select", keys=POLLS), SCALER],
        [model("compose.Select", keys=["ordinal_date"]), "preprocessing.MinMaxScaler"],
    ],
)
PAIR = [linear("optim.SGD"), linear("optim.Adam")]

# Regressors of numbers, which take events that lack features.
NUMBERS: dict[str, Any] = {
    **{name: linear(f"optim.{name}") for name in OPTIMIZERS},
    "Averager": linear(model("optim.Averager", optimizer="optim.SGD")),
    "falling rate": linear(model("optim.SGD", lr=model("optim.schedulers.InverseScaling", learning_rate=0.1))),
    "LinearRegression": LINEAR,
    "random weights": [SCALER, model(LINEAR, initializer="optim.initializers.Normal")],
    "BayesianLinearRegression": [SCALER, "linear_model.BayesianLinearRegression"],
    "PARegressor": "linear_model.PARegressor",
    "HoeffdingTreeRegressor": "tree.HoeffdingTreeRegressor",
    "HoeffdingAdaptiveTreeRegressor": model("tree.HoeffdingAdaptiveTreeRegressor", grace_period=50),
    "a tree with scaled leaves": model(
        "tree.HoeffdingAdaptiveTreeRegressor",
        drift_detector="drift.PageHinkley",
        grace_period=40,
        leaf_prediction="model",
        leaf_model=linear("optim.Adam"),
    ),
    "SGTRegressor": model("tree.SGTRegressor", grace_period=20),
    "ARFRegressor": model("forest.ARFRegressor", n_models=3),
    "ARFRegressor with KSWIN": model(
        "forest.ARFRegressor", n_models=2, drift_detector="drift.KSWIN", warning_detector="drift.KSWIN"
    ),
    "OXTRegressor": model("forest.OXTRegressor", n_models=2),
    "AMFRegressor": model("forest.AMFRegressor", n_estimators=2),
    "KNNRegressor": [SCALER, model("neighbors.KNNRegressor", engine=model("neighbors.LazySearch", window_size=50))],
    "KNNRegressor with SWINN": model(
        "neighbors.KNNRegressor", engine=model("neighbors.SWINN", maxlen=60, warm_up=20, graph_k=5)
    ),
    "BaggingRegressor": model("ensemble.BaggingRegressor", model=linear("optim.SGD"), n_models=3),
    "EWARegressor": model("ensemble.EWARegressor", models=PAIR, learning_rate=0.001),
    "SRPRegressor": model("ensemble.SRPRegressor", model="tree.HoeffdingTreeRegressor", n_models=2),
    "AMRules": model("rules.AMRules", n_min=50),
    "BanditRegressor": model(
        "model_selection.BanditRegressor",
        models=PAIR,
        metric="metrics.MSE",
        policy=model("bandit.EpsilonGreedy", epsilon=0.1),
    ),
    "GreedyRegressor": model("model_selection.GreedyRegressor", models=PAIR, metric="metrics.MAE"),
    "SuccessiveHalvingRegressor": model(
        "model_selection.SuccessiveHalvingRegressor", models=PAIR, metric="metrics.MAE", budget=200
    ),
    "ChebyshevUnderSampler": model("imblearn.ChebyshevUnderSampler", regressor=linear("optim.SGD")),
    "HardSamplingRegressor": model("imblearn.HardSamplingRegressor", regressor=linear("optim.SGD"), p=0.3, size=20),
    "Quantile": model("dummy.StatisticRegressor", statistic=model("stats.Quantile", q=0.4)),
    "RollingQuantile": model(
        "dummy.StatisticRegressor", statistic=model("stats.RollingQuantile", q=0.4, window_size=9)
    ),
    "TargetStandardScaler": model("preprocessing.TargetStandardScaler", regressor=linear("optim.SGD")),
    "PredClipper": model("preprocessing.PredClipper", regressor=linear("optim.SGD"), y_min=0.0, y_max=100.0),
    "scalers": [
        model(
            "compose.TransformerUnion",
            transformers=[SCALER, "preprocessing.MinMaxScaler", "preprocessing.AdaptiveStandardScaler"],
        ),
        "linear_model.PARegressor",
    ],
    "PolynomialExtender": ["feature_extraction.PolynomialExtender", SCALER, LINEAR],
    "RBFSampler": ["feature_extraction.RBFSampler", LINEAR],
    "random projection": [SCALER, "preprocessing.GaussianRandomProjector", LINEAR],
    "PoissonInclusion": [model("feature_selection.PoissonInclusion", p=0.1), SCALER, LINEAR],
    "SelectKBest": [model("feature_selection.SelectKBest", similarity="stats.PearsonCorr", k=2), SCALER, LINEAR],
    "StatImputer": ["preprocessing.StatImputer", SCALER, LINEAR],
}

ADAMS = {"weight_optimizer": "optim.Adam", "latent_optimizer": "optim.Adam"}

# Those whose events must have certain features, or more than one.
PARTICULAR: dict[str, Any] = {
    "Select": [UNION, LINEAR],
    "TargetAgg": [model("feature_extraction.TargetAgg", by=["gallup"], how="stats.Mean"), LINEAR],
    "FMRegressor": [SCALER, model("facto.FMRegressor", **ADAMS)],
    "FFMRegressor": [SCALER, model("facto.FFMRegressor", **ADAMS)],
    "FwFMRegressor": [SCALER, model("facto.FwFMRegressor", **ADAMS)],
    "HOFMRegressor": [SCALER, model("facto.HOFMRegressor", **ADAMS)],
}

NOMINAL = ["city", "kind"]
TEXTS: dict[str, Any] = {
    "OneHotEncoder": ["preprocessing.OneHotEncoder", SCALER, LINEAR],
    "OrdinalEncoder": ["preprocessing.OrdinalEncoder", SCALER, LINEAR],
    "FeatureHasher": [model("preprocessing.FeatureHasher", n_features=7), SCALER, LINEAR],
    "a tree of names": model(
        "tree.HoeffdingAdaptiveTreeRegressor", leaf_prediction="mean", grace_period=50, nominal_attributes=NOMINAL
    ),
    "a forest of names": model(
        "forest.ARFRegressor", n_models=2, leaf_prediction="mean", grace_period=30, nominal_attributes=NOMINAL
    ),
    "FMRegressor of names": "facto.FMRegressor",
    "without names": [model("compose.Discard", keys=NOMINAL), SCALER, LINEAR],
}

RANKERS: dict[str, Any] = {
    "Baseline": "reco.Baseline",
    "BiasedMF": model("reco.BiasedMF", n_factors=4),
    "FunkMF": model("reco.FunkMF", n_factors=4, optimizer="optim.Adam"),
    "RandomNormal": "reco.RandomNormal",
}


def polls() -> list[Any]:
    return list(datasets.TrumpApproval())[:1000]


def names() -> list[Any]:
    chance = random.Random(3)
    made = []
    for _ in range(1000):
        city, kind = (
            chance.choice(["rome", "oslo", "bern", "lima", "cairo", "quito"]),
            chance.choice(["x", "yy", "zzz"]),
        )
        x = {"city": city, "kind": kind, "a": chance.random(), "b": float(chance.randrange(5))}
        made.append((x, 2.0 * len(city) + len(kind) - x["b"] + chance.gauss(0.0, 0.2)))
    return made


def ratings() -> list[Any]:
    chance = random.Random(1)
    return [(f"u{chance.randrange(30)}", chance.randrange(30), chance.randrange(6)) for _ in range(1000)]


EVERY: dict[str, tuple[Any, Any]] = {
    **{name: (wrapped, polls) for name, wrapped in {**NUMBERS, **PARTICULAR}.items()},
    **{name: (wrapped, names) for name, wrapped in TEXTS.items()},
    **{name: (wrapped, ratings) for name, wrapped in RANKERS.items()},
}
"""Each specification with the function that makes its stream of 1000 events."""


def learner(name: str) -> Any:
    """The wrapped model of this name."""
    from edgedescent_river import RiverRecommender, RiverRegressor

    wrapped, stream = EVERY[name]
    return (RiverRecommender if stream is ratings else RiverRegressor)(wrapped)
