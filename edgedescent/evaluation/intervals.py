"""Confidence intervals over seeds: bootstrap intervals of a mean, and paired comparison of two candidates."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

N_RESAMPLES = 10_000
N_EXACT_MAX = 20
"""Largest number of pairs of which all combinations of signs are tried."""
N_FLIPS = 100_000


@dataclass(frozen=True)
class Interval:
    """Confidence interval of the mean over seeds; see `bootstrap_interval`."""

    mean: float
    low: float
    high: float
    level: float
    """Confidence that the interval has; less than what was asked for if there are too few seeds."""
    n: int
    """Number of seeds."""


@dataclass(frozen=True)
class PairedDifference:
    """Difference of two candidates over the same seeds; see `paired_difference`."""

    difference: Interval
    """Mean of the first candidate's score less the second's."""
    p_value: float
    """Probability of a mean difference at least as large, either way, if the candidates do not differ."""

    @property
    def p_value_min(self) -> float:
        """Least p-value that so few seeds can give: 0.25 of 3, 0.0625 of 5, 0.03125 of 6."""
        return 2.0 ** (1 - self.difference.n)


def bootstrap_interval(values: ArrayLike, *, level: float = 0.95, seed: int = 0) -> Interval:
    """Bootstrap interval of the mean of a score over seeds.

    The expanded percentile interval: of the means of 10,000 samples of n values each, drawn with replacement, the
    quantiles ``k`` and ``1 - k``, with the distribution function of the normal distribution Φ and the quantile t of
    Student's distribution with n - 1 degrees of freedom

    ::

        k = Φ(-sqrt(n / (n - 1)) t((1 + level) / 2))

    A plain percentile interval is too narrow by just that factor. With normally distributed scores, "95 %" of 6, 10 and
    20 seeds are 93, 94 and 95 % of the expanded interval and 86, 88 and 93 % of the plain or the BCa one; with skewed,
    log-normal scores 83, 82 and 88 % and 75, 77 and 86 %.

    No sample's mean lies outside of the values. Their range holds the median of the scores with a confidence of
    ``1 - 2^(1 - n)``: 75 % for 3 seeds, 87.5 % for 4, 93.75 % for 5. Where that is less than `level`, the interval is
    the range, and its `level` says so. That of one value is the value, with level 0.

    Args:
        values: Score of each seed, shape (n,).
        level: Confidence that is asked for.
        seed: Seed of the samples.

    Raises:
        ValueError: If there is no value, one is not finite, or the level is not between 0 and 1.

    References:
        Hesterberg (2015), "What teachers should know about the bootstrap", The American Statistician 69(4): the
        expanded percentile interval.

    Example:
        >>> interval = bootstrap_interval([0.9, 1.1, 1.0, 1.2, 0.8, 1.0])
        >>> round(interval.mean, 3), round(interval.low, 2), round(interval.high, 2), interval.level
        (1.0, 0.87, 1.15, 0.95)
        >>> bootstrap_interval([1.0, 2.0, 6.0])
        Interval(mean=3.0, low=1.0, high=6.0, level=0.75, n=3)
    """
    scores = _scores(values)
    if not 0 < level < 1:
        raise ValueError(f"The level must be > 0 and < 1. Got {level}.")
    n = len(scores)
    mean = float(np.mean(scores))
    level_of_range = 1.0 - 2.0 ** (1 - n)
    if level_of_range < level:
        return Interval(mean, float(scores.min()), float(scores.max()), level_of_range, n)
    rng = np.random.default_rng([seed, n])
    means = scores[rng.integers(0, n, size=(N_RESAMPLES, n))].mean(axis=1)
    k = _normal(-math.sqrt(n / (n - 1)) * _student_quantile((1 + level) / 2, n - 1))
    low, high = np.quantile(means, [k, 1 - k])
    return Interval(mean, float(low), float(high), level, n)


def paired_difference(first: ArrayLike, second: ArrayLike, *, level: float = 0.95, seed: int = 0) -> PairedDifference:
    """Compare the scores of two candidates that ran with the same seeds.

    The interval is the bootstrap interval of the differences. The p-value is that of the sign-flip permutation test: if
    the candidates do not differ, each difference is as likely with the other sign.

    ::

        p = share of the 2^n combinations of signs with |mean of ± d| >= |mean of d|

    All combinations are tried for up to 20 seeds. For more, p is estimated from 100,000 random ones, with the observed
    one among them. Fewer than 6 seeds cannot give a p-value below 0.05.

    Args:
        first: Score of the first candidate with each seed, shape (n,).
        second: Score of the second candidate with the same seeds, in the same order.
        level: Confidence that is asked for, of the interval.
        seed: Seed of what is drawn.

    Raises:
        ValueError: If the lengths differ, there is no score, or one is not finite.

    References:
        Fisher (1935), "The Design of Experiments", section 21: the test.
        Phipson and Smyth (2010), "Permutation p-values should never be zero", Statistical Applications in Genetics and
        Molecular Biology 9(1).

    Example:
        >>> paired_difference([1.0, 2.0, 3.0], [2.0, 4.0, 6.0])
        PairedDifference(difference=Interval(mean=-2.0, low=-3.0, high=-1.0, level=0.75, n=3), p_value=0.25)
    """
    a, b = _scores(first), _scores(second)
    if len(a) != len(b):
        raise ValueError(f"Paired candidates need the same seeds. Got {len(a)} and {len(b)} scores.")
    differences = a - b
    return PairedDifference(bootstrap_interval(differences, level=level, seed=seed), _sign_flip_p(differences, seed))


def _sign_flip_p(differences: NDArray[np.float64], seed: int) -> float:
    n = len(differences)
    # Sums that differ by rounding alone are equal.
    least = abs(math.fsum(differences)) - 1e-12 * float(np.sum(np.abs(differences)))
    if n <= N_EXACT_MAX:
        # The first sign can stay: flipping all of them changes no absolute value.
        sums = differences[:1]
        for difference in differences[1:]:
            sums = np.concatenate([sums + difference, sums - difference])
        return float(np.mean(np.abs(sums) >= least))
    rng = np.random.default_rng([seed, n, 1])
    n_as_large = 0
    for flips in (N_FLIPS // 10,) * 10:
        signs = rng.integers(0, 2, size=(flips, n)) * 2 - 1
        n_as_large += int(np.sum(np.abs(signs @ differences) >= least))
    return (n_as_large + 1) / (N_FLIPS + 1)


def _normal(x: float) -> float:
    """Distribution function of the standard normal distribution."""
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def _student_quantile(p: float, degrees: int) -> float:
    """Quantile of Student's distribution, p > 0.5, by bisection."""
    low, high = 0.0, 1.0
    while _student_central(high, degrees) < 2 * p - 1:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        if _student_central(middle, degrees) < 2 * p - 1:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _student_central(t: float, degrees: int) -> float:
    """Probability of an absolute value below t: Abramowitz and Stegun, equations 26.7.3 and 26.7.4."""
    angle = math.atan(t / math.sqrt(degrees))
    cosine = math.cos(angle)
    is_odd = degrees % 2
    # The terms are cos^k times the product of (k - 1) / k down to 2/3 or 1/2.
    term = cosine if is_odd else 1.0
    total = term if degrees > 1 else 0.0
    for k in range(3 if is_odd else 2, degrees - 1, 2):
        term *= cosine**2 * (k - 1) / k
        total += term
    total *= math.sin(angle)
    return 2 / math.pi * (angle + total) if is_odd else total


def _scores(values: ArrayLike) -> NDArray[np.float64]:
    scores = np.asarray(values, dtype=np.float64)
    if scores.ndim != 1 or not len(scores):
        raise ValueError(f"The scores of the seeds must have the shape (n,), with n >= 1. Got {scores.shape}.")
    if not np.isfinite(scores).all():
        raise ValueError(f"The scores of the seeds must be finite. Got {scores[~np.isfinite(scores)][0]}.")
    return scores
