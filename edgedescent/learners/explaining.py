"""Contributions of the features of an event to its prediction, which add up to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

INTERCEPT = "(intercept)"
"""Name of the part of a prediction that belongs to no feature."""


def explained(
    prediction: float, names: Sequence[str], shares: NDArray[np.float64], base: float, rest: float
) -> dict[str, float]:
    """Return contributions that add up to a prediction, from shares that add up to its score.

    The link function from the score to the prediction is taken as the straight line between the score without the
    features and the score with them (integrated gradients along the line between the two)::

        contribution = share (prediction - base) / Σ shares

    Args:
        prediction: The prediction.
        names: Name of each feature.
        shares: Part of each feature in the score, shape (n_features,).
        base: What the score without these parts predicts.
        rest: Slope of the link function, where the shares add up to nothing.

    Returns:
        The contributions by name, `INTERCEPT` first, then the largest ones.

    Example:
        >>> explained(7.0, ["a", "b"], np.array([1.0, 2.0]), 1.0, 1.0)
        {'(intercept)': 1.0, 'b': 4.0, 'a': 2.0}

    References:
        Sundararajan, Taly and Yan 2017, "Axiomatic Attribution for Deep Networks", ICML.
    """
    total = math.fsum(shares)
    slope = (prediction - base) / total if abs(total) > 1e-9 * float(np.abs(shares).sum(initial=0.0)) else rest
    contributions = shares * slope if math.isfinite(slope) else np.zeros_like(shares)
    order = np.argsort(-np.abs(contributions), kind="stable")
    parts: dict[str, float] = {INTERCEPT: 0.0}
    for i in order.tolist():
        parts[names[i]] = parts.get(names[i], 0.0) + float(contributions[i])
    # With what the rounding of the sum leaves.
    parts[INTERCEPT] += prediction - math.fsum(parts.values())
    return parts


def shapley(
    predict: Callable[[dict[Any, Any]], float], x: Mapping[Any, Any], n_orderings: int, seed: int
) -> dict[str, float]:
    """Return Shapley values of the features of an event, estimated from random orderings.

    In each ordering the features are added to an empty event one after the other, and the contribution of a feature is
    the change of the prediction. Each ordering is followed by its reverse, which cancels most of what the choice of
    orderings decides. The contributions of each ordering add up to the prediction exactly, and so do their means.

    Args:
        predict: Prediction for a dict of features, of which any may be absent.
        x: The event.
        n_orderings: Number of orderings, with the reversed ones.
        seed: Seed of the orderings, which are the same in each call.

    Returns:
        The contributions by name, `INTERCEPT`, the prediction without features, first, then the largest ones.

    Example:
        >>> shapley(lambda x: 1.0 + x.get("a", 0.0) * x.get("b", 0.0), {"a": 2.0, "b": 3.0}, 2, 1)
        {'(intercept)': 1.0, 'a': 3.0, 'b': 3.0}

    References:
        Štrumbelj and Kononenko 2014, "Explaining Prediction Models and Individual Predictions with Feature
        Contributions", Knowledge and Information Systems 41.
    """
    # A daemon, which explains nothing, has no use for it.
    import random

    names = list(x)
    dice = random.Random(seed)  # noqa: S311 - reproducible on purpose
    base = predict({})
    sums = dict.fromkeys(names, 0.0)
    order = list(names)
    for n in range(n_orderings):
        if n % 2 == 0:
            dice.shuffle(order)
        part: dict[Any, Any] = {}
        before = base
        for name in order if n % 2 == 0 else reversed(order):
            part[name] = x[name]
            after = predict(part)
            sums[name] += (after - before) / n_orderings
            before = after
    # The order of the names of an event may matter to the last bit of its prediction.
    prediction = predict(dict(x))
    largest = sorted(names, key=lambda name: -abs(sums[name]))
    parts = {INTERCEPT: 0.0} | {str(name): sums[name] for name in largest}
    parts[INTERCEPT] += prediction - math.fsum(parts.values())
    return parts
