"""Small streams with a known optimum, and example parameters of every drift."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgedescent_sims.drift import DRIFTS, Drift
from edgedescent_sims.sources.batch import Batch, Column
from edgedescent_sims.sources.in_memory import InMemorySource

N_EVENTS = 400
WEIGHTS = {"x0": 2.0, "x1": -1.0}

# Without an entry a drift is made with its defaults.
EXAMPLES: dict[str, dict[str, Any]] = {
    "CategorySwap": {"column": "site"},
    "CovariateScale": {"column": "x0", "factor": 1.8, "offset": 32.0},
    "CovariateShift": {"columns": ("x0", "x1"), "offsets": (1.0, -2.0)},
    "Fad": {"half_life": 50},
    "FeatureSwap": {"columns": ("x0", "x1")},
    "InteractionAppears": {"columns": ("x0", "x1"), "weight": 3.0},
    "LabelBias": {"offset": 5.0},
    "LabelDelayChange": {"delay": 9},
    "LabelNoise": {"std": 2.0},
    "LabelUnit": {"factor": 1.8, "offset": 32.0},
    "SensorAppears": {"column": "x1"},
    "SensorLost": {"column": "site"},
    "SensorReplaced": {"column": "x0", "factor": 0.001, "new_name": "x0_new"},
    "SignFlip": {"columns": ("x0",)},
    "TasteShift": {"users": 0.5},
    "UserChurn": {"users": 0.5},
    "WeightChange": {"columns": ("x0", "x1"), "deltas": (3.0, 1.0)},
}

COURSES: dict[str, dict[str, int]] = {
    "abrupt": {},
    "gradual": {"width": 90},
    "incremental": {"width": 90},
    "recurring": {"period": 81},
    "blip": {"width": 60},
}


def linear_stream(n_events: int = N_EVENTS, *, batch_events: int = 4096) -> InMemorySource:
    """A linear stream with missing values, texts, questions, labels that a fault has changed, and its optimum."""
    rng = np.random.default_rng(3)
    x0, x1 = rng.normal(20.0, 3.0, n_events), rng.normal(-1.0, 0.5, n_events)
    optimum = WEIGHTS["x0"] * x0 + WEIGHTS["x1"] * x1
    target = optimum + rng.normal(0.0, 0.1, n_events)
    # Zeros with a sign are what a careless "+ 0" changes.
    target[::11] = -0.0
    x1[::17] = np.nan
    site = rng.choice(np.array(["east", "north", "west", None], dtype=object), n_events)
    batch = Batch.of({"x0": x0, "x1": x1, "site": site}, target, optimum=optimum)
    y = target.copy()
    y[::13], y[5::29] = np.nan, 1e3
    return InMemorySource(batch.replace(y=y, arrival=batch.time + 0.5), batch_events=batch_events)


def ratings_stream(n_events: int = N_EVENTS) -> InMemorySource:
    """Ratings of 30 users of 20 items, with their optimum."""
    rng = np.random.default_rng(4)
    users, items = rng.integers(30, size=n_events), rng.geometric(0.15, size=n_events) % 20
    columns: dict[str, Column] = {
        "user": np.array([f"u{user}" for user in users.tolist()], dtype=object),
        "item": np.array([f"i{item}" for item in items.tolist()], dtype=object),
    }
    optimum = rng.normal(3.0, 1.0, (30, 20))[users, items]
    return InMemorySource(Batch.of(columns, optimum + rng.normal(0.0, 0.1, n_events), optimum=optimum))


def example(name: str, **parameters: Any) -> Drift:
    """A drift by name, around a stream that it applies to."""
    kind = DRIFTS[name]
    stream = linear_stream() if "features" in kind.kinds else ratings_stream()
    return kind(stream, **{**EXAMPLES.get(name, {}), **parameters})


def read(stream: Any) -> Batch:
    """All events of a source as one batch."""
    return Batch.concatenate(list(stream.batches()))
