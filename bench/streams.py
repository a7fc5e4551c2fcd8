"""The streams that the benchmarks learn, made from a seed: every run and every peer meets the same events."""

from __future__ import annotations

from functools import cache

import numpy as np

Event = tuple[dict[str, float], float]
ArrayEvent = tuple["np.ndarray[tuple[int], np.dtype[np.float64]]", float]
Rating = tuple[str, str, float]

SEED = 20


@cache
def regression(n_features: int, n_events: int) -> tuple[Event, ...]:
    """Make events of named features, each with its own mean and scale, and a linear target with 10 % noise.

    The names are the same string objects in every event, as a decoder that caches short keys hands them on.
    """
    names = [f"sensor_{i}" for i in range(n_features)]
    return tuple((dict(zip(names, x.tolist(), strict=True)), float(y)) for x, y in _rows(n_features, n_events))


@cache
def regression_arrays(n_features: int, n_events: int) -> tuple[ArrayEvent, ...]:
    """Make the same events as `regression`, each an array of shape (n_features,) and a target."""
    return tuple(_rows(n_features, n_events))


def _rows(n_features: int, n_events: int) -> list[ArrayEvent]:
    random = np.random.default_rng(SEED)
    means = random.normal(0.0, 10.0, n_features)
    scales = 10.0 ** random.uniform(-1.0, 2.0, n_features)
    weights = random.normal(0.0, 1.0, n_features)
    z = random.normal(0.0, 1.0, (n_events, n_features))
    noise = random.normal(0.0, 0.1 * float(np.linalg.norm(weights)), n_events)
    targets = z @ weights + noise + 5.0
    values = means + scales * z
    return list(zip(values, targets.tolist(), strict=True))


@cache
def ratings(n_events: int) -> tuple[Rating, ...]:
    """Make ratings of 1 to 5 by 2,000 users of 2,000 items, few of them popular.

    Beneath them are biases and three latent factors.
    """
    random = np.random.default_rng(SEED)
    n_ids, n_factors = 2000, 3
    popularity = 1.0 / np.arange(1, n_ids + 1) ** 0.8
    popularity /= popularity.sum()
    users = random.choice(n_ids, n_events, p=popularity)
    items = random.choice(n_ids, n_events, p=popularity)
    user_bias, item_bias = random.normal(0.0, 0.5, (2, n_ids))
    p, q = random.normal(0.0, 0.6, (2, n_ids, n_factors))
    scores = 3.0 + user_bias[users] + item_bias[items] + (p[users] * q[items]).sum(axis=1)
    values = np.clip(scores + random.normal(0.0, 0.3, n_events), 1.0, 5.0)
    # An id is the same string object at every event, as above.
    user_ids, item_ids = [f"user-{i}" for i in range(n_ids)], [f"item-{i}" for i in range(n_ids)]
    return tuple(
        (user_ids[u], item_ids[i], y) for u, i, y in zip(users.tolist(), items.tolist(), values.tolist(), strict=True)
    )
