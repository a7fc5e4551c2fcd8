"""Weights of experts that follow their regret: MLpol, under two rules between which it chooses too.

MLpol (Gaillard, Stoltz and van Erven 2014, "A Second-order Bound with Excess Losses", COLT, section 4.2), on the linearized
loss, with forgetting. With predictions pᵢ, weights wᵢ, their mixture f = Σ wᵢ pᵢ and the mean absolute error s::

    rᵢ = l' (f - pᵢ) / s                            clipped at ±c
    Bᵢ <- φ Bᵢ + rᵢ²
    Rᵢ <- max(φ Rᵢ + rᵢ, -sqrt(1 + Bᵢ))
    wᵢ ∝ max(Rᵢ, 0) / (1 + Bᵢ)                     equal weights where no regret is positive

    absolute loss:      l' = sign(f - y)
    squared loss:       l' = (f - y) / s            clipped at ±20
    quantile q:         l' = 2 (1 - q) where f > y, -2 q where f < y

Without forgetting (φ = 1), the excess loss over any expert i is of the order of sqrt(Bᵢ log n) (their Corollary 4): small
against an expert whose predictions are close to those of the mixture. With it the bound holds for the events that are
remembered, about 1 / (1 - φ). The bound on negative regrets is that of regret matching+ (Tammelin 2014, arXiv:1407.5042),
loosened: an expert that was bad for long leads soon after it has become the best. A small part of the weight is shared
equally.

Which clip c is right differs between streams. One of 20 mean errors keeps an expert that errs wildly where the regime
changes from being put aside for long. Where a few events decide, such as jumps of the label between levels, they count for
too little then, and the clip must be wide. So there are two mixtures, with clips of 20 and of 1000, each with regrets of its
own, and the same update weights them, with the wide clip.

The mixture of both is linear in the predictions: the weight of an expert is the sum of those under each rule, weighted by
the trust in the rule.
"""
import numpy as np

from libc.math cimport fmax, sqrt

from edgedescent.ensemble._aim cimport SQUARED, Aim
from edgedescent.numerics._numbers cimport clipped

cdef double WIDE = 1000.0
# Bounds on a regret, in mean absolute errors, under each rule.
cdef double[RULES] CLIPS = [20.0, WIDE]
# Bound on the slope of the squared loss, in mean absolute errors.
cdef double SLOPE_MAX = 20.0
# Part of the weight that all share equally, so that none is ever left out.
cdef double SHARE = 0.0002


cdef class RegretWeights:
    """Weights of experts that follow their regret.

    Args:
        n_experts: Number of experts.
        forgetting: Factor φ on regrets, per event.
    """

    def __init__(self, Py_ssize_t n_experts, double forgetting):
        cdef double[:, :, ::1] numbers = np.zeros((3, RULES, n_experts))
        cdef double[::1] weights = np.full(n_experts, 1.0 / n_experts)
        cdef Py_ssize_t k
        self.n_experts, self.forgetting = n_experts, forgetting
        self.weights = &weights[0]
        for k in range(RULES):
            self.regrets[k], self.squares[k], self.rule_weights[k] = &numbers[0, k, 0], &numbers[1, k, 0], &numbers[2, k, 0]
            self.trust_regrets[k] = self.trust_squares[k] = self.mixed[k] = 0.0
        self.arrays = [np.asarray(numbers), np.asarray(weights)]
        self.weigh()

    cdef void weigh(self) noexcept nogil:
        """Fill the weights from the regrets."""
        cdef Py_ssize_t i, k
        weigh_by_regret(self.trust, self.trust_regrets, self.trust_squares, RULES)
        for i in range(self.n_experts):
            self.weights[i] = 0.0
        for k in range(RULES):
            weigh_by_regret(self.rule_weights[k], self.regrets[k], self.squares[k], self.n_experts)
            for i in range(self.n_experts):
                self.weights[i] += self.trust[k] * self.rule_weights[k][i]

    cdef double mix(self, const double* predictions) noexcept nogil:
        """Return the mixture of predictions, with weights as they are now."""
        cdef double total = 0.0
        cdef Py_ssize_t i, k
        self.weigh()
        for k in range(RULES):
            self.mixed[k] = 0.0
            for i in range(self.n_experts):
                self.mixed[k] += self.rule_weights[k][i] * predictions[i]
        for i in range(self.n_experts):
            total += self.weights[i] * predictions[i]
        return total

    cdef void learn(self, const double* predictions, Aim aim, double y, double centre, double prediction,
                    double scale) noexcept nogil:
        """Take in the label of the event whose predictions were mixed last.

        Args:
            predictions: Predictions of the experts.
            aim: Loss.
            y: Label.
            centre: Their mixture.
            prediction: What was predicted: the mixture, shifted.
            scale: Mean absolute error s.
        """
        cdef double slope = slope_of(aim, prediction - y, scale), regret
        cdef Py_ssize_t i, k
        for k in range(RULES):
            regret = clipped(slope * (centre - self.mixed[k]) / scale, WIDE)
            count(&self.trust_regrets[k], &self.trust_squares[k], self.forgetting, regret)
        for k in range(RULES):
            slope = slope_of(aim, self.mixed[k] + (prediction - centre) - y, scale)
            for i in range(self.n_experts):
                regret = clipped(slope * (self.mixed[k] - predictions[i]) / scale, CLIPS[k])
                count(&self.regrets[k][i], &self.squares[k][i], self.forgetting, regret)

    cdef void inherit(self, Py_ssize_t child, Py_ssize_t parent) noexcept nogil:
        """Let an expert that has become a copy of another one share that one's regret."""
        cdef Py_ssize_t k
        for k in range(RULES):
            self.regrets[k][parent] *= 0.5
            self.regrets[k][child], self.squares[k][child] = self.regrets[k][parent], self.squares[k][parent]

    cdef void forget(self, double kept) noexcept nogil:
        """Forget all regrets but a part of them, and all that are clipped widely.

        Of these, a few from before it was known that the scale has changed would outweigh all that come after.
        """
        cdef Py_ssize_t i, k
        cdef double part
        for k in range(RULES):
            self.trust_regrets[k] = self.trust_squares[k] = 0.0
            part = kept if CLIPS[k] < WIDE else 0.0
            for i in range(self.n_experts):
                self.regrets[k][i] *= part
                self.squares[k][i] *= part

    def save(self):
        """Return regrets and sums of their squares: of the experts under each rule, and of the rules."""
        cdef Py_ssize_t k
        return {
            "mixture.regrets": np.array(self.arrays[0][:2]),
            "mixture.rules": np.array([[self.trust_regrets[k] for k in range(RULES)],
                                       [self.trust_squares[k] for k in range(RULES)]]),
        }

    def restore(self, dict state):
        """Restore what `save` returned.

        Raises:
            ValueError: If it is inconsistent.
        """
        regrets, rules = state["mixture.regrets"], state["mixture.rules"]
        cdef Py_ssize_t k
        if regrets.shape != (2, RULES, self.n_experts) or rules.shape != (2, RULES) \
                or (regrets[1] < 0.0).any() or (rules[1] < 0.0).any():
            raise ValueError("The regrets of the state's mixture are inconsistent.")
        self.arrays[0][:2] = regrets
        for k in range(RULES):
            self.trust_regrets[k], self.trust_squares[k] = rules[:, k].tolist()


cdef void weigh_by_regret(double* weights, const double* regrets, const double* squares, Py_ssize_t n) noexcept nogil:
    """Fill n weights from regrets and sums of their squares."""
    cdef double total = 0.0
    cdef Py_ssize_t i
    for i in range(n):
        weights[i] = regrets[i] / (1.0 + squares[i]) if regrets[i] > 0.0 else 0.0
        total += weights[i]
    for i in range(n):
        weights[i] = weights[i] / total if total > 0.0 else 1.0 / n
        weights[i] += SHARE * (1.0 / n - weights[i])


cdef inline void count(double* regrets, double* squares, double forgetting, double regret) noexcept nogil:
    """Add a regret."""
    squares[0] = forgetting * squares[0] + regret * regret
    regrets[0] = fmax(forgetting * regrets[0] + regret, -sqrt(1.0 + squares[0]))


cdef double slope_of(Aim aim, double error, double scale) noexcept nogil:
    """Return the derivative of the loss at an error of the prediction."""
    if aim.kind == SQUARED:
        return clipped(error / scale, SLOPE_MAX)
    if error == 0.0:
        return 0.0
    return 2.0 * (1.0 - aim.q) if error > 0.0 else -2.0 * aim.q
