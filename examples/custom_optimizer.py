"""Write an optimizer in Python, check it, and compare it with Adam.

An optimizer is a frozen dataclass with a method `step`. Clipping, schedules and the storage of its slots come with
the base class; `check_optimizer` runs the checks that the built-in optimizers pass. docs/extending.md says how to
compile one.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent import LinearRegressor
from edgedescent.optim import Adam, Optimizer
from edgedescent.testing import check_optimizer

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class AdaMax(Optimizer):
    """Adam with the largest recent gradient in place of its mean square (Kingma and Ba 2015, algorithm 2)."""

    slots: ClassVar[tuple[str, ...]] = ("m", "u")

    lr: Annotated[float, Meta(gt=0, description="Learning rate")] = 0.02
    beta1: Annotated[float, Meta(ge=0, lt=1, description="Decay of the average gradient")] = 0.9
    beta2: Annotated[float, Meta(ge=0, lt=1, description="Decay of the largest gradient")] = 0.999

    def step(self, w: Array, g: Array, m: Array, u: Array, lr: float) -> None:
        """Change the parameters `w` and the slots in place."""
        m *= self.beta1
        m += (1 - self.beta1) * g
        np.maximum(self.beta2 * u, np.abs(g), out=u)
        w -= lr * m / (u + 1e-8)


check_optimizer(AdaMax())
print("AdaMax passes the checks.")

for optimizer in (AdaMax(), Adam(lr=0.02)):
    numbers = random.Random(9)
    model = LinearRegressor(optimizer=optimizer)
    errors = []
    for _ in range(3000):
        x = {"a": numbers.gauss(0, 1), "b": numbers.gauss(0, 3)}
        errors.append(abs(model.predict_learn_one(x, 5 + 2 * x["a"] - x["b"]) - (5 + 2 * x["a"] - x["b"])))
    print(f"{type(optimizer).__name__}: mean absolute error of the last 500 events {sum(errors[-500:]) / 500:.3f}")
