"""Adaptive miscoverage level of one kind of prediction intervals: DtACI.

Adaptive conformal inference (ACI) does not ask for the quantile 1 - α of the scores, but for 1 - αₜ, and moves αₜ by
whether the last interval covered its target. How fast is a question of the stream; so DtACI runs one αⁱ for each of several
rates γᵢ, and weights them by how well they would have done. With the target α, and β the largest miscoverage level whose
interval holds the new target::

    αₜ = Σ wᵢ αⁱ                                             the level of the next interval
    ℓᵢ = α (β - αⁱ) - min(0, β - αⁱ)                         quantile loss of each expert
    wᵢ <- wᵢ exp(-η ℓᵢ), then a share σ of all weight is spread evenly
    αⁱ <- αⁱ + γᵢ (α - [αⁱ > β])

with γ = 0.001, 0.002, …, 0.128, σ = 1 / (2 I) and η = sqrt(3 / I) sqrt((log(k I) + 2) / ((1 - α)² α³ + α² (1 - α)³)) for
k = 8 experts and stretches of I = 500 events, as in the paper.

Guarantees, whatever the stream and the predictions, even if an adversary chose them:

- Each expert's own intervals miss, over T events, a share that differs from α by at most (1 + γᵢ) / (γᵢ T), because αⁱ cannot
  leave [-γᵢ, 1 + γᵢ] (Gibbs and Candès 2021, proposition 4.1).
- The quantile loss of αₜ over every stretch of I events exceeds that of the best expert, even one that changes slowly, by a
  bounded regret (Gibbs and Candès 2024, theorem 1: for a randomly drawn expert, and so for the weighted mean, because the
  loss is convex).

For the coverage of αₜ itself, with η and σ that stay the same, there is no such bound: it is measured. And an αⁱ below 0 asks
for an interval that holds everything. Ours end at the largest recent error: a target beyond that is missed.

References:
    Gibbs and Candès 2021, "Adaptive Conformal Inference Under Distribution Shift", NeurIPS.
    Gibbs and Candès 2024, "Conformal Inference for Online Prediction with Arbitrary Distribution Shifts", Journal of Machine
    Learning Research 25, algorithm 1 and section 2.3.
"""
import numpy as np

from libc.math cimport sqrt

# I of the paper, and the logarithm of k I.
cdef double HORIZON = 500.0
cdef double LOG_EXPERTS_HORIZON = 8.294049640102028
cdef double SHARED = 1.0 / (2.0 * 500.0)


cdef inline double exp_of(double x) noexcept nogil:
    """Return e to the power of x, for x from -32 to 0, from sums and products: the same bits with every C library."""
    cdef double y = x / 32.0, total = 1.0
    cdef int k
    for k in range(14, 0, -1):
        total = 1.0 + y / k * total
    for k in range(5):
        total *= total
    return total


cdef class Miscoverage:
    """Miscoverage level that follows a stream, from experts of several rates.

    Args:
        target: Share of the targets that shall lie outside, > 0 and < 1.
    """

    def __init__(self, double target):
        cdef int i
        self.target = target
        # The paper's denominator is (α (1 - α))², because α and 1 - α add up to 1.
        self.eta = sqrt(3.0 / HORIZON * (LOG_EXPERTS_HORIZON + 2.0)) / (target * (1.0 - target))
        for i in range(EXPERTS):
            self.alphas[i] = target
            self.weights[i] = 1.0 / EXPERTS

    cdef double level(self) noexcept nogil:
        """Return the miscoverage level of the next interval."""
        cdef double total = 0.0
        cdef int i
        for i in range(EXPERTS):
            total += self.weights[i] * self.alphas[i]
        return total

    cdef void update(self, double beta) noexcept nogil:
        """Learn the largest miscoverage level whose interval held the latest target; 0 if none did."""
        cdef double total = 0.0, rate = 0.001, difference, loss
        cdef int i
        for i in range(EXPERTS):
            difference = beta - self.alphas[i]
            loss = self.eta * (self.target * difference - (difference if difference < 0.0 else 0.0))
            self.weights[i] *= exp_of(-loss if loss < 32.0 else -32.0)
            total += self.weights[i]
            self.alphas[i] += rate * (self.target - (1.0 if difference < 0.0 else 0.0))
            rate *= 2.0
        for i in range(EXPERTS):
            self.weights[i] = (1.0 - SHARED) * self.weights[i] / total + SHARED / EXPERTS

    def save(self):
        """Return the experts' levels and weights, shape (16,)."""
        cdef int i
        return np.array([self.alphas[i] for i in range(EXPERTS)] + [self.weights[i] for i in range(EXPERTS)])

    def restore(self, values):
        """Restore what `save` returned.

        Raises:
            ValueError: If it is not as many numbers, a level is not from -1 to 2, or a weight not from 0 to 1.
        """
        cdef int i
        low, high = np.repeat([-1.0, 0.0], EXPERTS), np.repeat([2.0, 1.0], EXPERTS)
        # A comparison with NaN is false.
        if values.shape != (2 * EXPERTS,) or not ((low <= values) & (values <= high)).all() or not values[EXPERTS:].any():
            raise ValueError(f"An adaptive level must be {2 * EXPERTS} bounded numbers. Got {values!r:.200}.")
        for i in range(EXPERTS):
            self.alphas[i] = values[i]
            self.weights[i] = values[EXPERTS + i]
