"""Compare optimizers on a stream whose relation changes half-way (concept drift).

A rate that falls with every step, as `InverseScaling` has it, suits a stream that stays as it is. Here it is slow to
forget what was true before the change; a constant rate forgets in a few hundred events.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from edgedescent import LinearRegressor
from edgedescent.optim import RLS, SGD, Adam, InverseScaling, NormalizedAdaptive, Optimizer

N_EVENTS, CHANGE_AT = 4000, 2000


def stream() -> Iterator[tuple[dict[str, float], float]]:
    """Yield the events: the weight of `a` changes its sign at `CHANGE_AT`."""
    numbers = random.Random(42)
    for i in range(N_EVENTS):
        x = {"a": numbers.gauss(0, 1), "b": numbers.gauss(0, 1)}
        weight = 3.0 if i < CHANGE_AT else -3.0
        yield x, 10 + weight * x["a"] + 2 * x["b"] + numbers.gauss(0, 0.1)


def mean_errors(optimizer: Optimizer) -> tuple[float, float, float]:
    """Return the mean absolute error in the 500 events before the change, after it, and at the end."""
    model = LinearRegressor(optimizer=optimizer)
    errors = [abs(model.predict_learn_one(x, y) - y) for x, y in stream()]
    parts = (errors[CHANGE_AT - 500 : CHANGE_AT], errors[CHANGE_AT : CHANGE_AT + 500], errors[-500:])
    before, after, end = (sum(part) / len(part) for part in parts)
    return before, after, end


OPTIMIZERS = {
    "SGD, rate falls": SGD(lr=0.05, schedule=InverseScaling(power=0.7)),
    "SGD, rate stays": SGD(lr=0.05),
    "Adam": Adam(lr=0.02),
    "NormalizedAdaptive": NormalizedAdaptive(),
    "RLS, the default": RLS(),
}

print(f"{'':<20}{'before':>8}{'after':>8}{'end':>8}")
for name, optimizer in OPTIMIZERS.items():
    before, after, end = mean_errors(optimizer)
    print(f"{name:<20}{before:>8.2f}{after:>8.2f}{end:>8.2f}")
