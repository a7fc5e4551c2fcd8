"""Streams of events as hypothesis strategies, and comparisons of states."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

from edgedescent import optim
from edgedescent.learners import Learner
from edgedescent.losses import AdaptiveHuberLoss, Loss, SquaredLoss
from edgedescent.optim import SGD, Adam, Optimizer, Schedule
from support import exported

# One of each as it comes, and some whose hyper-parameters matter.
EVERY_OPTIMIZER: list[Optimizer] = [
    *(kind() for kind in exported.OPTIMIZERS),
    optim.AdaGrad(initial=0.1),
    optim.CountedSGD(power=1.0),
    optim.FTRLProximal(lr=0.5, beta=0.5, l1=0.5, l2=0.1),
    optim.Adam(lr=0.1, beta1=0.0, beta2=0.0),
    optim.COCOB(alpha=2.0),
    optim.MiniBatch(optimizer=optim.SGD(lr=0.1), size=2),
    optim.MiniBatch(optimizer=optim.COCOB(), size=3),
]
SCHEDULES: list[Schedule] = [
    *(kind() for kind in exported.SCHEDULES),
    optim.InverseScaling(power=1.0, delay=3.0),
    optim.Step(every=3, decay=0.5),
    optim.CosineRestarts(period=4, growth=1.0, floor=0.1),
    optim.CosineRestarts(period=2, growth=2.0),
    optim.CosineRestarts(period=3, growth=1.5),
    optim.ReduceOnPlateau(window=2, decay=0.5, gain=0.1, floor=0.2),
]
EVERY_LOSS: list[Loss] = [kind() for kind in exported.LOSSES]
OPTIMIZERS: list[Optimizer] = [SGD(lr=0.02), Adam(lr=0.02), Adam(lr=0.05, beta1=0.5, beta2=0.9)]
LOSSES: list[Loss] = [SquaredLoss(), AdaptiveHuberLoss(), AdaptiveHuberLoss(k=1.5, rate_min=0.5)]

optimizers = st.sampled_from(OPTIMIZERS)
losses = st.sampled_from(LOSSES)

# What sensors send when they work, and what they send when they do not.
good_values = st.one_of(st.integers(-1000, 1000), st.floats(-100, 100), st.booleans())
odd_values = st.sampled_from([None, math.nan, math.inf, -math.inf, 1e100, -1e200, 10**400, 1e30, -1e12, 1e-20, 0, -0.0])
values = st.one_of(good_values, good_values, odd_values)

good_targets = st.one_of(st.integers(-50, 50), st.floats(-100, 100))
odd_targets = st.sampled_from([math.nan, math.inf, -math.inf, 1e150, 10**400, 1e9])
targets = st.one_of(good_targets, good_targets, good_targets, odd_targets)

names = st.sampled_from(["a", "b", "c", "d", "e", "f", "temp", "µ", "", "温度"])


def feature_events(max_size: int = 30) -> st.SearchStrategy[list[tuple[dict[str, Any], Any]]]:
    """Events whose features appear and vanish."""
    event = st.tuples(st.dictionaries(names, values, max_size=6), targets)
    return st.lists(event, max_size=max_size)


ids = st.one_of(st.integers(0, 7), st.sampled_from(["ann", "bob", "3", "", "é", "用户"]))


def ratings(max_size: int = 30) -> st.SearchStrategy[list[tuple[Any, Any, Any]]]:
    """Ratings by users and of items, old and new."""
    return st.lists(st.tuples(ids, ids, targets), max_size=max_size)


def float_bits(value: float) -> bytes:
    return np.float64(value).tobytes()


def all_finite(learner: Learner) -> bool:
    return all(isinstance(value, list) or np.isfinite(value).all() for value in learner.state_dict().values())
