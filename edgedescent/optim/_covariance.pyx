"""Covariance matrix of the parameters of a linear model, for recursive least squares with bounded memory.

An event has an input z_i for each parameter that it touches. Its gain is ``P z``, and the event changes P to
``(P - c (P z)(P z)') / λ``. The caller calls `begin_event`, then `add_inputs` for each run of parameters, `settle_change`
once, and `apply_change` for each run again.

Parameters that an event does not touch keep their values and their variances; their covariances with the touched ones
change as in the Schmidt-Kalman filter (Schmidt 1966) and are divided by the root of λ, so that P stays positive
semidefinite and rare features neither forget nor cost time. If no input is 0, the change is the exact one.

Where inputs carry no information, because they are constant or collinear, forgetting lets variances grow without bound
(wind-up). So the largest variance is limited to the initial one at each event, whatever the order of the parameters, and
nothing is forgotten of a parameter with an input of 0. Where rounding leaves a variance that is not positive, the
parameter begins anew with the initial variance.
"""
import numpy as np

from libc.math cimport sqrt

# Smaller variances are rounding errors of the initial ones.
cdef double VARIANCE_MIN = 1e-30
# Variances with a smaller ratio are equal but for rounding.
cdef double EQUAL = 1.0 + 1e-6


cdef class CovarianceMatrix:
    """Memory of a covariance; the variances are an array of the caller's.

    Args:
        dense_max: Number of parameters that share a matrix; further ones have a variance only.
        prior: Initial variance of each parameter.
    """

    def __init__(self, Py_ssize_t dense_max, double prior):
        self.dense_max = dense_max
        self.p.prior = prior
        self.p.event = -1.0
        self.p.dense = self.p.stride = 0
        self.matrix = np.zeros((0, 0))

    cdef int grow(self, Py_ssize_t n, double* variance) except -1:
        """Make room for `n` parameters.

        Args:
            n: Number of parameters, not less than before.
            variance: Variances of shape (n,), with those of before at the start.
        """
        cdef Py_ssize_t stride = n if n < self.dense_max else self.dense_max
        cdef double[:, ::1] larger
        cdef double[::1] inputs, gain, scaled, growths
        cdef char[::1] touched
        matrix = np.zeros((stride, stride))
        matrix[: self.p.dense, : self.p.dense] = self.matrix[: self.p.dense, : self.p.dense]
        scratch = [np.zeros(n), *(np.zeros(stride) for _ in range(3)), np.zeros(stride, dtype=np.int8)]
        self.matrix, self.scratch = matrix, scratch
        larger, (inputs, gain, scaled, growths, touched) = matrix, scratch
        self.p.variance, self.p.inputs, self.p.stride = variance, &inputs[0], stride
        if stride:
            self.p.matrix, self.p.gain, self.p.scaled = &larger[0, 0], &gain[0], &scaled[0]
            self.p.growths, self.p.touched = &growths[0], &touched[0]
        self.p.event = -1.0
        return 0

    def save(self, Py_ssize_t n):
        """Return the lower triangle of the matrix of the first `n` parameters, row by row.

        It has 0 for those that have not begun. The covariances that a parameter left behind when its variance was set
        to 0 have no effect.
        """
        cdef Py_ssize_t dense = min(n, self.p.stride), i, k, at = 0
        packed = np.zeros(dense * (dense + 1) // 2)
        cdef double[::1] saved = packed
        for i in range(dense):
            for k in range(i + 1):
                if self.p.variance[i] > 0.0 and self.p.variance[k] > 0.0:
                    saved[at] = self.p.matrix[i * self.p.stride + k]
                at += 1
        return packed

    cdef int restore(self, packed, variances) except -1:
        """Restore the triangle that `save` returned; there is room for it.

        Raises:
            ValueError: If its length is wrong, or a variance is negative or not its diagonal.
        """
        cdef Py_ssize_t dense = min(self.p.stride, len(variances)), i, k, at = 0
        if packed.shape != (dense * (dense + 1) // 2,):
            raise ValueError(
                f"The state's covariance must have {dense * (dense + 1) // 2} numbers, a triangle of {dense} rows. "
                f"Got the shape {packed.shape}.")
        first = variances[:dense]
        diagonal = packed[np.cumsum(np.arange(1, dense + 1)) - 1]
        if (variances < 0.0).any() or (diagonal[first > 0.0] != first[first > 0.0]).any():
            raise ValueError("The state's variances must be >= 0, and the diagonal of the covariance.")
        cdef double[::1] saved = packed
        self.matrix[:] = 0.0
        for i in range(dense):
            for k in range(i + 1):
                self.p.matrix[i * self.p.stride + k] = self.p.matrix[k * self.p.stride + i] = saved[at]
                at += 1
        self.p.dense = dense
        self.p.event = -1.0
        return 0


cdef void begin_event(Covariance* p, double event) noexcept nogil:
    """Clear the scratch for the event with the number `event`, and limit the largest variance."""
    cdef Py_ssize_t i
    i = _largest(p)
    if i >= 0:
        _limit(p, i)
    for i in range(p.stride):
        p.gain[i] = p.growths[i] = 0.0
        p.touched[i] = False
    p.event = event
    p.settled = False
    p.n_touched = 0
    p.spread = p.change = 0.0


cdef Py_ssize_t _largest(Covariance* p) noexcept nogil:
    """Return the parameter whose variance is above the initial one by most, the first of equal ones; -1 if none is."""
    cdef double least = p.prior
    cdef Py_ssize_t i, at = -1
    for i in range(p.dense):
        if p.variance[i] > least:
            at, least = i, EQUAL * p.variance[i]
    return at


cdef void _limit(Covariance* p, Py_ssize_t at) noexcept nogil:
    """Lower the variance of a parameter to the initial one, as observing its present value with some noise would."""
    cdef double variance = p.variance[at], size
    cdef double* row
    cdef Py_ssize_t i, k
    size = sqrt(variance - p.prior) / variance
    row = p.matrix + at * p.stride
    for k in range(p.dense):
        p.scaled[k] = size * row[k]
    for i in range(p.dense):
        row = p.matrix + i * p.stride
        for k in range(p.dense):
            row[k] -= p.scaled[i] * p.scaled[k]
        if p.variance[i] > 0.0:
            p.variance[i] = row[i] if row[i] > VARIANCE_MIN else 0.0


cdef void _begin(Covariance* p, Py_ssize_t at) noexcept nogil:
    """Give a parameter its initial variance, correlated with no other."""
    cdef Py_ssize_t i
    p.variance[at] = p.prior
    if at >= p.stride:
        return
    p.dense = p.dense if p.dense > at else at + 1
    for i in range(p.dense):
        p.matrix[at * p.stride + i] = p.matrix[i * p.stride + at] = 0.0
    p.matrix[at * p.stride + at] = p.prior
    # The gain may hold what runs before this one had in common with the parameter that was here before.
    p.gain[at] = 0.0


cdef double add_inputs(Covariance* p, const double* z, Py_ssize_t at, Py_ssize_t n) noexcept nogil:
    """Add the inputs ``z[0 : n]`` of the parameters from `at` on to the gain; returns by how much ``z' P z`` grows."""
    cdef Py_ssize_t i, k, dense
    cdef Py_ssize_t inside = p.stride - at if at < p.stride else 0
    cdef double before = p.spread, value
    cdef double* gain = p.gain
    cdef const double* row
    inside = inside if inside < n else n
    for i in range(n):
        if p.variance[at + i] <= 0.0:
            _begin(p, at + i)
    dense = p.dense
    # P is symmetric: the run's products with the gain before and after it make the square and both mixed terms.
    for i in range(inside):
        p.spread += z[i] * gain[at + i]
    for i in range(inside):
        value = z[i]
        row = p.matrix + (at + i) * p.stride
        for k in range(dense):
            gain[k] += value * row[k]
        p.n_touched += not p.touched[at + i]
        p.touched[at + i] = TOUCHED
        p.growths[at + i] = 1.0 if value != 0.0 else p.growths[at + i]
    for i in range(inside):
        p.spread += z[i] * gain[at + i]
    for i in range(inside, n):
        p.spread += p.variance[at + i] * (z[i] * z[i])
    return p.spread - before


cdef void settle_change(Covariance* p, double change, double forgetting) noexcept nogil:
    """Set by what the event changes the matrix: ``P <- (P - change (P z)(P z)') / forgetting``.

    Nothing is forgotten where the variances that the event touches are twice the initial ones on average: P would wind up.
    """
    cdef double size = sqrt(change), variances = 0.0, most = 1.0 / forgetting
    cdef Py_ssize_t k
    for k in range(p.dense):
        if p.touched[k]:
            variances += p.variance[k]
    p.most = most if variances <= 2.0 * p.prior * p.n_touched else 1.0
    p.mixed = sqrt(p.most)
    p.settled = True
    p.change = change
    p.growth = 1.0 / forgetting
    for k in range(p.dense):
        p.scaled[k] = size * p.gain[k]
        p.growths[k] = p.most if p.growths[k] > 0.0 else p.mixed


cdef void apply_change(Covariance* p, const double* z, Py_ssize_t at, Py_ssize_t n) noexcept nogil:
    """Change the covariances of the parameters from `at` on; their inputs ``z`` were added before."""
    cdef Py_ssize_t i, j, k, dense = p.dense
    cdef double factor
    cdef double* row
    for i in range(n):
        j = at + i
        if j >= dense:
            factor = p.variance[j] * z[i]
            factor = (p.variance[j] - p.change * (factor * factor)) * (p.growth if z[i] != 0.0 else 1.0)
            p.variance[j] = factor if factor < p.prior else p.prior
        elif p.touched[j] == TOUCHED:
            p.touched[j] = CHANGED
            row = p.matrix + j * p.stride
            factor = p.scaled[j]
            # Symmetric to the last bit, because a product does not depend on the order of its factors.
            if p.growths[j] == p.most:
                for k in range(dense):
                    row[k] = (row[k] - factor * p.scaled[k]) * p.growths[k]
            else:
                # Its input is 0.
                for k in range(dense):
                    row[k] = (row[k] - factor * p.scaled[k]) * (p.mixed if p.growths[k] == p.most else 1.0)
            if p.n_touched < dense:
                for k in range(dense):
                    if not p.touched[k]:
                        p.matrix[k * p.stride + j] = row[k]
            p.variance[j] = row[j]
        p.variance[j] = p.variance[j] if p.variance[j] > VARIANCE_MIN else 0.0


cdef void add_variance(Covariance* p, Py_ssize_t at, double more) noexcept nogil:
    """Raise the variance of a parameter that has begun by `more`, at most to the initial one."""
    cdef double variance = p.variance[at]
    if not 0.0 < variance < p.prior:
        return
    variance = variance + more if variance + more < p.prior else p.prior
    p.variance[at] = variance
    if at < p.dense:
        p.matrix[at * p.stride + at] = variance
