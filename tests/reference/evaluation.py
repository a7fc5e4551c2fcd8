"""Reference implementation of the scores, in plain loops over lists of all that happened."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from reference.numerics import bounded, is_usable


@dataclass
class Prequential:
    """Errors of the model, of the last value and of the running mean, from lists of all that happened."""

    ys: list[float] = field(default_factory=list)
    predictions: list[float] = field(default_factory=list)
    n_usable: int = 0
    unscored: int = 0
    in_row: int = 0

    def update(self, y: float, prediction: float) -> None:
        if not is_usable(y):
            return
        self.n_usable += 1
        if self.n_usable > 32 and self._is_absurd(y):
            self.in_row += 1
            if self.in_row <= 500:
                self.unscored += 1
                return
        else:
            self.in_row = 0
        self.ys.append(y)
        self.predictions.append(bounded(prediction))
        if self.n_usable == 32:
            self._judge_start()

    def _is_absurd(self, y: float) -> bool:
        scored = self.ys[1:]
        spread = statistics.pstdev(scored)
        return spread > 0 and abs(y - math.fsum(scored) / len(scored)) > 1000 * spread

    def _judge_start(self) -> None:
        middle = statistics.median(self.ys)
        limit = 1000 * statistics.median(abs(y - middle) for y in self.ys)
        kept = [i for i, y in enumerate(self.ys) if limit == 0 or abs(y - middle) <= limit]
        self.unscored = len(self.ys) - len(kept)
        self.ys = [self.ys[i] for i in kept]
        self.predictions = [self.predictions[i] for i in kept]

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

        targets = [Fraction(y) for y in self.ys[1:]]
        center = sum(targets) / n
        variance = float(sum((y - center) ** 2 for y in targets) / n)
        squared = math.fsum(e * e for e in model) / n
        ratios = {}
        if variance > 0 and math.isfinite(r2 := (variance - squared) / variance):
            ratios["r2"] = r2
        if math.fsum(last) > 0 and math.isfinite(mase := math.fsum(model) / math.fsum(last)):
            ratios["mase"] = mase
        return ratios | {
            "mae": math.fsum(model) / n,
            "rmse": math.sqrt(math.fsum(e * e for e in model) / n),
            "mae_last_value": math.fsum(last) / n,
            "mae_mean": math.fsum(mean) / n,
            "mae_recent": faded(model),
            "mae_last_value_recent": faded(last),
        }


def recovery(
    run: Sequence[float], new: Sequence[float], old: Sequence[float] | None, window: int, floor: float
) -> tuple[int | None, float, float, int | None]:
    """Duration, greatest loss, regret, and events to 10 %, by trying every answer."""
    horizon = len(run)

    def mean(errors: Sequence[float], first: int) -> float:
        """Mean error of the window that begins after `first` events."""
        total = 0.0
        for i in range(first, first + window):
            total += errors[i]
        return total / window

    def is_within(first: int, tolerance: float) -> bool:
        return mean(run, first) <= (1 + tolerance) * max(mean(new, first), floor)

    def events_to(tolerance: float) -> int | None:
        for left_out in range(horizon - window + 1):
            if all(is_within(first, tolerance) for first in range(left_out, horizon - window + 1)):
                return left_out
        return None

    worst = 0.0
    lost = None
    for first in range(horizon - window + 1):
        twins = [mean(new, first)] + ([] if old is None else [mean(old, first)])
        if lost is None and mean(run, first) > 1.05 * max(min(twins), floor):
            lost = first
        reference = max(*twins, floor)
        if mean(run, first) > reference:
            worst = max(worst, mean(run, first) / reference - 1 if reference else math.inf)
    recovered = events_to(0.05)
    duration = recovered
    if recovered:
        assert lost is not None
        duration = recovered - lost
    regret = 0.0
    for ours, twins_own in zip(run, new, strict=True):
        regret += ours - twins_own
    return duration, worst, regret, events_to(0.10)


def detection(
    alarms: Sequence[int], changes: Sequence[tuple[int, int]], window: int, n_events: int
) -> tuple[list[int | None], int, int, int]:
    """Delays, false alarms, repeats and events without a change, by asking of each event which change accepts it."""
    starts = sorted({start for start, _ in changes})
    firsts: dict[int, int] = {}
    false_alarms = repeats = quiet = 0
    for number in range(1, n_events + 1):
        before = [start for start in starts if start < number]
        latest = before[-1] if before else None
        accepted = latest is not None and any(start == latest and number <= end + window for start, end in changes)
        quiet += not accepted
        if number not in alarms:
            continue
        if not accepted:
            false_alarms += 1
        elif latest in firsts:
            repeats += 1
        else:
            assert latest is not None
            firsts[latest] = number - latest
    return [firsts.get(start) for start in starts], false_alarms, repeats, quiet


def sign_flip_p(differences: Sequence[float]) -> float:
    """p-value of the sign-flip test over all combinations of signs."""
    n = len(differences)
    observed = abs(sum(differences))
    n_as_large = 0
    for bits in range(2**n):
        total = 0.0
        for i, difference in enumerate(differences):
            total += difference if bits >> i & 1 else -difference
        n_as_large += abs(total) >= observed
    return n_as_large / 2**n


@dataclass
class Regression:
    """Scores of targets and predictions, weighted by age, from lists of all that happened."""

    weights: str
    amount: float
    season: int
    q: float

    def scores(
        self, ys: Sequence[float], predictions: Sequence[float], lower: Sequence[float], upper: Sequence[float]
    ) -> dict[str, float]:
        rows = [row for row in zip(ys, predictions, lower, upper, strict=True) if is_usable(row[0])]
        scored = [(row, rows[i][0]) for i, row in enumerate(rows[self.season :])]
        if self.weights == "window":
            scored = scored[-int(self.amount) :]
        n = len(scored)
        if not n:
            return {}
        fading = self.amount if self.weights == "fading" else 1.0
        weights = [fading ** (n - 1 - i) for i in range(n)]

        def mean(values: Sequence[float]) -> float:
            return math.fsum(w * v for w, v in zip(weights, values, strict=True)) / math.fsum(weights)

        errors = [y - p for (y, p, _, _), _ in scored]
        targets = [y for (y, _, _, _), _ in scored]
        center = mean(targets)
        variance = mean([(y - center) ** 2 for y in targets])
        naive = mean([abs(y - before) for (y, _, _, _), before in scored])
        found = {
            "mae": mean([abs(e) for e in errors]),
            "rmse": math.sqrt(mean([e * e for e in errors])),
            "quantile_loss": mean([self.q * e if e >= 0 else (self.q - 1) * e for e in errors]),
            "coverage": mean([float(low <= y <= high) for (y, _, low, high), _ in scored]),
            "mean_width": mean([high - low for (_, _, low, high), _ in scored]),
        }
        # A mean of equal targets is rounded, and differs from them.
        if len(set(targets)) > 1:
            found["r2"] = 1 - mean([e * e for e in errors]) / variance
        if naive > 0:
            found["mase"] = found["mae"] / naive
        return found
