"""Weights of features in the choice among items, which depend on a context: a conditional logit, learned online.

With features x of each candidate j and the context c of the choice::

    f_j = Σ_a Σ_b c_a W_ab x_jb                  P(j) = exp(f_j) / Σ_l exp(f_l)
    g_ab = c_a Σ_j ([j is chosen] - P(j)) x_jb         slope of log P(chosen)
    W_ab <- W_ab + rate g_ab / sqrt(G_ab)        G_ab: sum of the squares of g_ab so far (AdaGrad)

References:
    McFadden 1974, "Conditional logit analysis of qualitative choice behavior", Frontiers in Econometrics.
    Duchi, Hazan and Singer 2011, "Adaptive Subgradient Methods", Journal of Machine Learning Research 12.
"""
import numpy as np

from libc.math cimport exp, sqrt

# Weights are clipped here; features are logarithms, so no score becomes infinite.
cdef double WEIGHT_MAX = 100.0
# Where the sums of squares start.
cdef double SQUARES_FIRST = 0.1


cdef class ChoiceWeights:
    """Weights by context and feature.

    Args:
        first: Weights to begin with, whatever the context, shape (n_features,).
        n_contexts: Number of contexts; the first is always 1.
        rate: Learning rate; 0 keeps the first weights.
    """

    def __init__(self, first, Py_ssize_t n_contexts, double rate):
        cdef double[:, ::1] w = np.zeros((n_contexts, len(first)))
        cdef double[:, ::1] squares = np.full((n_contexts, len(first)), SQUARES_FIRST)
        cdef double[::1] slope = np.zeros(len(first))
        np.asarray(w)[0] = first
        self.n_contexts, self.n_features, self.rate = n_contexts, len(first), rate
        self.w, self.squares, self.slope = &w[0, 0], &squares[0, 0], &slope[0]
        self.arrays = [np.asarray(w), np.asarray(squares), slope]

    cdef void combine(self, const double* context, float* weights) noexcept nogil:
        """Fill in the weights of the features in a context."""
        cdef Py_ssize_t a, b
        cdef double total
        for b in range(self.n_features):
            total = 0.0
            for a in range(self.n_contexts):
                total += context[a] * self.w[a * self.n_features + b]
            weights[b] = <float>total

    cdef void learn(self, const double* context, const Candidate* candidates, double* scores, Py_ssize_t n,
                    double weight) noexcept nogil:
        """Take a step on the choice of the last of `n` candidates; `scores` are used as working memory."""
        cdef Py_ssize_t a, b, j, at
        cdef double largest = scores[0], total = 0.0, share, g
        for j in range(1, n):
            largest = scores[j] if scores[j] > largest else largest
        for j in range(n):
            scores[j] = exp(scores[j] - largest)
            total += scores[j]
        for b in range(self.n_features):
            self.slope[b] = 0.0
        for j in range(n):
            share = weight * ((1.0 if j == n - 1 else 0.0) - scores[j] / total)
            for b in range(self.n_features):
                self.slope[b] += share * candidates[j].features[b]
        for a in range(self.n_contexts):
            if context[a] == 0.0:
                continue
            for b in range(self.n_features):
                at = a * self.n_features + b
                g = context[a] * self.slope[b]
                self.squares[at] += g * g
                self.w[at] += self.rate * g / sqrt(self.squares[at])
                self.w[at] = self.w[at] if self.w[at] < WEIGHT_MAX else WEIGHT_MAX
                self.w[at] = self.w[at] if self.w[at] > -WEIGHT_MAX else -WEIGHT_MAX

    def weights(self):
        """Return the weights, shape (n_contexts, n_features)."""
        return np.array(self.arrays[0])

    def save(self):
        """Return the weights and the sums of squares."""
        return {"choice.weights": np.array(self.arrays[0]), "choice.squares": np.array(self.arrays[1])}

    def restore(self, weights, squares):
        """Take what `save` returned; raises ValueError where it does not fit."""
        shape = self.n_contexts, self.n_features
        if weights.shape != shape or squares.shape != shape or (np.abs(weights) > WEIGHT_MAX).any() or (
                squares < SQUARES_FIRST).any():
            raise ValueError(f"The state's choice must have {shape[0]} times {shape[1]} weights and sums of squares.")
        self.arrays[0][:], self.arrays[1][:] = weights, squares
