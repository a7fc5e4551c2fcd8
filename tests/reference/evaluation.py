"""Reference implementation of the prequential errors, from lists of all that happened."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from reference.numerics import bounded, is_usable


@dataclass
class Prequential:
    """Errors of the model, of the last value and of the running mean, from lists of all that happened."""

    ys: list[float] = field(default_factory=list)
    predictions: list[float] = field(default_factory=list)

    def update(self, y: float, prediction: float) -> None:
        if is_usable(y):
            self.ys.append(y)
            self.predictions.append(bounded(prediction))

    def summary(self) -> dict[str, float]:
        n = len(self.ys) - 1
        if n < 1:
            return {}
        model = [abs(y - p) for y, p in zip(self.ys, self.predictions, strict=True)][1:]
        last = [abs(b - a) for a, b in zip(self.ys, self.ys[1:], strict=False)]
        mean = [abs(self.ys[i] - math.fsum(self.ys[:i]) / i) for i in range(1, n + 1)]
        weights = [0.999 ** (n - 1 - i) for i in range(n)]

        def faded(errors: list[float]) -> float:
            return math.fsum(w * e for w, e in zip(weights, errors, strict=True)) / math.fsum(weights)

        return {
            "mae": math.fsum(model) / n,
            "rmse": math.sqrt(math.fsum(e * e for e in model) / n),
            "mae_last_value": math.fsum(last) / n,
            "mae_mean": math.fsum(mean) / n,
            "mae_recent": faded(model),
            "mae_last_value_recent": faded(last),
        }
