"""Recursive least squares with forgetting, on sparse inputs and with bounded memory.

With inputs z and target t (Haykin, "Adaptive Filter Theory", chapter on recursive least squares)::

    k = P z / (λ + z' P z)
    w <- w + k (t - w' z)
    P <- (P - k z' P) / λ

The first `dense_max` parameters share the matrix P. Each further one has only a variance of its own, as if it were
correlated with no other, so that memory and time stay bounded.

Safeguards. The error is clipped at a multiple of its running mean absolute value, so that outliers do not break the
weights. Inputs that do not vary would let P grow without bound (wind-up): the division by λ is left out while the trace
of P is at its initial value. P is kept symmetric by computing one triangle only.
"""
import numpy as np

from libc.math cimport fabs, isfinite

# Errors are clipped at so many times their mean absolute value, once this is known from some events.
cdef double CLIP = 4.0
cdef double SCALE_RATE = 0.01

cdef enum:
    KNOWN_AFTER = 20


cdef class LeastSquares:
    """Recursive least squares.

    Args:
        dense_max: Number of parameters that share a matrix.
        forgetting: Factor λ on what was learned, per event.
        prior: Initial variance of each parameter, in units of the target's scale.
    """

    def __init__(self, Py_ssize_t dense_max, double forgetting, double prior):
        self.dense_max, self.forgetting, self.prior = dense_max, forgetting, prior
        self.size = self.dense = self.stride = self.capacity = 0
        self.scale = self.count = 0.0
        self.n_restarts = 0
        self.arrays = [np.zeros((0, 0)), np.zeros(0), np.zeros(0), np.zeros(0)]

    cdef int reserve(self, Py_ssize_t capacity) except -1:
        """Make room for so many parameters; each begins with `start`."""
        cdef Py_ssize_t stride = self.stride
        cdef double[:, ::1] matrix
        cdef double[::1] view
        if capacity <= self.capacity:
            return 0
        if min(capacity, self.dense_max) > stride:
            stride = min(max(capacity, 2 * stride), self.dense_max)
        p = np.zeros((stride, stride))
        p[: self.dense, : self.dense] = self.arrays[0][: self.dense, : self.dense]
        arrays = [p, *(np.zeros(capacity) for _ in range(3))]
        for larger, smaller in zip(arrays[1:], self.arrays[1:]):
            larger[: self.size] = smaller[: self.size]
        self.arrays = arrays
        matrix = p
        self.p = &matrix[0, 0]
        view = arrays[1]
        self.variance = &view[0]
        view = arrays[2]
        self.w = &view[0]
        view = arrays[3]
        self.gain = &view[0]
        self.capacity, self.stride = capacity, stride
        return 0

    cdef void start(self, Py_ssize_t at) noexcept nogil:
        """Let a parameter begin, or begin anew; there is room for it, and those before it have begun."""
        cdef Py_ssize_t i
        if at >= self.size:
            self.size = at + 1
            self.dense = self.size if self.size < self.dense_max else self.dense_max
        self.w[at] = 0.0
        self.variance[at] = self.prior
        if at < self.dense:
            for i in range(self.dense):
                self.p[at * self.stride + i] = self.p[i * self.stride + at] = 0.0
            self.p[at * self.stride + at] = self.prior

    cdef double predict(self, const int* places, const double* z, Py_ssize_t n) noexcept nogil:
        """Return w' z for the parameters at `places`."""
        cdef double total = 0.0
        cdef Py_ssize_t i
        for i in range(n):
            total += self.w[places[i]] * z[i]
        return total

    cdef void learn(self, const int* places, const double* z, Py_ssize_t n, double target) noexcept nogil:
        """Take one step."""
        cdef double error = target - self.predict(places, z, n), size = fabs(error), limit = CLIP * self.scale
        cdef double total = self.forgetting, step, rate, factor
        cdef double* row
        cdef double* gain = self.gain
        cdef Py_ssize_t i, j, dense = self.dense
        if not isfinite(error):
            self.n_restarts += 1
            self.scale = self.count = 0.0
            for i in range(self.size):
                self.start(i)
            return
        for j in range(dense):
            gain[j] = 0.0
        for i in range(n):
            if places[i] < dense:
                row = self.p + places[i] * self.stride
                for j in range(dense):
                    gain[j] += z[i] * row[j]
        for i in range(n):
            if places[i] >= dense:
                gain[places[i]] = self.variance[places[i]] * z[i]
            total += gain[places[i]] * z[i]
        if total < self.forgetting:
            # By rounding, the matrix is no longer positive: its next steps would have the wrong sign.
            self._restart_matrix()
            return
        self.count += 1.0
        rate = 1.0 / self.count
        if self.count > KNOWN_AFTER and limit > 0.0:
            error = error if error < limit else limit
            error = error if error > -limit else -limit
            size = size if size < 5.0 * self.scale else 5.0 * self.scale
        self.scale += (rate if rate > SCALE_RATE else SCALE_RATE) * (size - self.scale)
        step = error / total
        for j in range(dense):
            self.w[j] += gain[j] * step
            row = self.p + j * self.stride
            factor = gain[j] / total
            for i in range(dense):
                row[i] -= factor * gain[i]
        for i in range(n):
            if places[i] >= dense:
                self.w[places[i]] += gain[places[i]] * step
                self.variance[places[i]] -= gain[places[i]] * gain[places[i]] / total
        self._forget()

    cdef void _restart_matrix(self) noexcept nogil:
        """Let the matrix and the variances begin anew; the weights stay."""
        cdef Py_ssize_t i, j
        for i in range(self.size):
            self.variance[i] = self.prior
        for i in range(self.dense):
            for j in range(self.dense):
                self.p[i * self.stride + j] = self.prior if i == j else 0.0
        self.n_restarts += 1

    cdef void _forget(self) noexcept nogil:
        """Divide the matrix by λ, unless its trace is at the initial value already."""
        cdef double trace = 0.0, factor = 1.0 / self.forgetting
        cdef double* row
        cdef Py_ssize_t i, j
        for i in range(self.dense):
            trace += self.p[i * self.stride + i]
        if trace * factor < self.prior * self.dense:
            for i in range(self.dense):
                row = self.p + i * self.stride
                for j in range(self.dense):
                    row[j] *= factor
        for i in range(self.dense, self.size):
            if self.variance[i] * factor < self.prior:
                self.variance[i] *= factor

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
            "matrix": np.array(self.arrays[0][: self.dense, : self.dense]),
            "variances": np.array(self.arrays[1][: self.size]),
            "weights": np.array(self.arrays[2][: self.size]),
            "numbers": np.array([self.scale, self.count]),
        }

    def restore(self, dict state, Py_ssize_t size):
        """Restore what `save` returned, for so many parameters.

        Raises:
            ValueError: If a shape is wrong, or a variance or the scale is negative.
        """
        weights, variances, matrix, numbers = state["weights"], state["variances"], state["matrix"], state["numbers"]
        dense = min(size, self.dense_max)
        if not variances.shape == weights.shape == (size,) or matrix.shape != (dense, dense) or numbers.shape != (2,):
            raise ValueError(f"The state's least squares of {size} parameters has other shapes.")
        if (variances < 0.0).any() or (numbers < 0.0).any() or (np.diagonal(matrix) < 0.0).any():
            raise ValueError("A variance or a scale in the state's least squares is negative.")
        self.size = self.dense = 0
        self.reserve(len(weights))
        self.size, self.dense = len(weights), dense
        self.arrays[0][:dense, :dense] = matrix
        self.arrays[1][: len(weights)] = variances
        self.arrays[2][: len(weights)] = weights
        self.scale, self.count = numbers.tolist()
