"""Recursive least squares with exponential forgetting, on sparse inputs and with bounded memory.

With inputs z and target t (Haykin, "Adaptive Filter Theory", chapter on recursive least squares)::

    k = P z / (λ + z' P z)
    w <- w + k (t - w' z)
    P <- (P - k z' P) / λ

The covariance P is that of `edgedescent.optim._covariance`, as in `edgedescent.optim.RLS`, with its bounds. The error is
clipped at a multiple of its running mean absolute value, so that outliers do not break the weights. Where most errors are
clipped, they are no outliers: the bound is found anew, and the covariance begins with its initial variances again.
"""
import numpy as np

from libc.math cimport fabs, isfinite

from edgedescent.optim._covariance cimport (
    Covariance, CovarianceMatrix, add_inputs, apply_change, begin_event, is_due, settle_change)

cdef double SCALE_RATE = 0.01
# Rate of the mean number of clipped errors, and the mean from which on they are no outliers: nine in a row.
cdef double CLIPPED_RATE = 0.1
cdef double CLIPPED_MAX = 0.6

cdef enum:
    KNOWN_AFTER = 20


cdef inline Py_ssize_t _run_length(const int* places, Py_ssize_t n) noexcept nogil:
    """Return how many of the places, from the first one on, follow each other without a gap."""
    cdef Py_ssize_t i = 1
    while i < n and places[i] == places[i - 1] + 1:
        i += 1
    return i


cdef class LeastSquares:
    """Recursive least squares.

    Args:
        dense_max: Number of parameters that share a matrix.
        forgetting: Factor λ on what was learned, per event.
        prior: Initial variance of each parameter, in units of the target's scale.
        clip: Multiple of their mean absolute value at which errors are clipped, once this is known from some events.
    """

    def __init__(self, Py_ssize_t dense_max, double forgetting, double prior, double clip=4.0):
        self.covariance = CovarianceMatrix(dense_max, prior)
        self.forgetting = forgetting
        self.clip = clip
        self.size = self.capacity = 0
        self.scale = self.count = self.clipped = 0.0
        self.n_restarts = 0
        self.arrays = [np.zeros(0), np.zeros(0)]

    cdef int reserve(self, Py_ssize_t capacity) except -1:
        """Make room for so many parameters; each begins with `start`."""
        cdef double[::1] variances, weights
        if capacity <= self.capacity:
            return 0
        arrays = [np.zeros(capacity), np.zeros(capacity)]
        for larger, smaller in zip(arrays, self.arrays):
            larger[: self.size] = smaller[: self.size]
        variances, weights = arrays
        self.covariance.grow(capacity, &variances[0])
        self.w = &weights[0]
        self.arrays, self.capacity = arrays, capacity
        return 0

    cdef void start(self, Py_ssize_t at) noexcept nogil:
        """Let a parameter begin, or begin anew; there is room for it."""
        self.size = self.size if self.size > at else at + 1
        self.w[at] = 0.0
        self.reopen(at)

    cdef void reopen(self, Py_ssize_t at) noexcept nogil:
        """Give a parameter, whose value stays, the initial variance at its next event."""
        self.covariance.p.variance[at] = 0.0

    cdef void forget_scale(self) noexcept nogil:
        """Forget how large errors are."""
        self.scale = self.count = self.clipped = 0.0

    cdef void rescale(self, double factor, double shift, Py_ssize_t intercept) noexcept nogil:
        """Replace the prediction p by ``factor * p + shift`` for any inputs whose intercept is 1."""
        cdef Py_ssize_t i
        for i in range(self.size):
            self.w[i] *= factor
        self.w[intercept] += shift

    cdef double predict(self, const int* places, const double* z, Py_ssize_t n) noexcept nogil:
        """Return w' z for the parameters at `places`."""
        cdef double total = 0.0
        cdef Py_ssize_t i
        for i in range(n):
            total += self.w[places[i]] * z[i]
        return total

    cdef void learn(self, const int* places, const double* z, Py_ssize_t n, double target) noexcept nogil:
        """Take one step."""
        cdef Covariance* p = &self.covariance.p
        cdef double error = target - self.predict(places, z, n), size = fabs(error), limit = self.clip * self.scale
        cdef double total, step, rate, spread = 0.0
        cdef Py_ssize_t i, j, length
        begin_event(p, self.count)
        i = 0
        while i < n:
            length = _run_length(places + i, n - i)
            spread += add_inputs(p, z + i, places[i], length)
            i += length
        if not (isfinite(error) and isfinite(spread)):
            self.n_restarts += 1
            self.forget_scale()
            for i in range(self.size):
                self.start(i)
            return
        if spread < 0.0:
            # By rounding, the matrix is no longer positive: the next steps would have the wrong sign. The weights stay.
            self.n_restarts += 1
            for i in range(self.size):
                p.variance[i] = 0.0
            return
        total = self.forgetting + spread
        self.count += 1.0
        rate = 1.0 / self.count
        if self.count > KNOWN_AFTER and limit > 0.0:
            self.clipped += CLIPPED_RATE * ((size > limit) - self.clipped)
            error = error if error < limit else limit
            error = error if error > -limit else -limit
            size = size if size < 5.0 * self.scale else 5.0 * self.scale
        self.scale += (rate if rate > SCALE_RATE else SCALE_RATE) * (size - self.scale)
        step = error / total
        settle_change(p, 1.0 / total, self.forgetting)
        i = 0
        while i < n:
            length = _run_length(places + i, n - i)
            for j in range(length):
                self._move(places[i] + j, z[i + j], step)
            apply_change(p, z + i, places[i], length)
            i += length
        if self.clipped > CLIPPED_MAX:
            self.forget_scale()
            for i in range(self.size):
                self.reopen(i)

    cdef inline void _move(self, Py_ssize_t at, double z, double step) noexcept nogil:
        """Move the weight of a parameter, once in an event."""
        cdef Covariance* p = &self.covariance.p
        if at >= p.dense:
            self.w[at] += p.variance[at] * z * step
        elif is_due(p, at):
            self.w[at] += p.gain[at] * step

    def start_all(self, Py_ssize_t size):
        """Let the first `size` parameters begin."""
        self.reserve(size)
        for at in range(size):
            self.start(at)

    def predict_one(self, const int[::1] places, const double[::1] z):
        """Return w' z for the parameters at `places`; both have shape (n,), n > 0."""
        return self.predict(&places[0], &z[0], len(places))

    def learn_one(self, const int[::1] places, const double[::1] z, double target):
        """Take one step."""
        self.learn(&places[0], &z[0], len(places), target)

    def save(self):
        """Return the matrix, the variances, the weights and the numbers."""
        return {
            "matrix": self.covariance.save(self.size),
            "variances": np.array(self.arrays[0][: self.size]),
            "weights": np.array(self.arrays[1][: self.size]),
            "numbers": np.array([self.scale, self.count, self.clipped]),
        }

    def restore(self, dict state, Py_ssize_t size):
        """Restore what `save` returned, for so many parameters.

        Raises:
            ValueError: If a shape is wrong, or a variance or the scale is negative.
        """
        weights, variances, numbers = state["weights"], state["variances"], state["numbers"]
        if not variances.shape == weights.shape == (size,) or numbers.shape != (3,):
            raise ValueError(f"The state's least squares of {size} parameters has other shapes.")
        if (numbers < 0.0).any():
            raise ValueError("A scale or a count in the state's least squares is negative.")
        self.reserve(size)
        self.covariance.restore(state["matrix"], variances)
        for own, saved in zip(self.arrays, (variances, weights)):
            own[:] = 0.0
            own[:size] = saved
        self.size = size
        self.scale, self.count, self.clipped = numbers.tolist()
