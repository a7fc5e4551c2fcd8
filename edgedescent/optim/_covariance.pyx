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
from libc.string cimport memset

from edgedescent.numerics._vectors cimport dot

cdef extern from "edgedescent/optim/covariance_kernels.h" nogil:
    void covariance_add_rows(double* gain, const double* rows, const double* z, Py_ssize_t n, Py_ssize_t stride,
                             Py_ssize_t width) noexcept
    void covariance_settle(double* scaled, double* growths, const double* gain, double size, double most,
                           Py_ssize_t width) noexcept
    void covariance_change_rows(double* rows, const double* scaled, const double* growths, const double* factors,
                                Py_ssize_t n, Py_ssize_t stride, Py_ssize_t width) noexcept

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
        self.p.dense = self.p.capacity = self.p.stride = 0
        self.matrix = np.zeros((0, 0))

    cdef int grow(self, Py_ssize_t n, double* variance) except -1:
        """Make room for `n` parameters.

        Args:
            n: Number of parameters, not less than before.
            variance: Variances of shape (n,), with those of before at the start.
        """
        cdef Py_ssize_t capacity = n if n < self.dense_max else self.dense_max, stride = _rounded_up(capacity)
        cdef double[:, ::1] larger
        cdef double[::1] inputs, gain, scaled, growths, growths_without
        cdef char[::1] touched
        matrix = np.zeros((capacity, stride))
        matrix[: self.p.dense, : self.p.dense] = self.matrix[: self.p.dense, : self.p.dense]
        scratch = [np.zeros(n), *(np.zeros(stride) for _ in range(4)), np.zeros(capacity, dtype=np.int8)]
        self.matrix, self.scratch = matrix, scratch
        larger, (inputs, gain, scaled, growths, growths_without, touched) = matrix, scratch
        self.p.variance, self.p.inputs, self.p.capacity, self.p.stride = variance, &inputs[0], capacity, stride
        if capacity:
            self.p.matrix, self.p.gain, self.p.scaled = &larger[0, 0], &gain[0], &scaled[0]
            self.p.growths, self.p.growths_without, self.p.touched = &growths[0], &growths_without[0], &touched[0]
        self.p.event = -1.0
        return 0

    def save(self, Py_ssize_t n):
        """Return the lower triangle of the matrix of the first `n` parameters, row by row.

        It has 0 for those that have not begun. The covariances that a parameter left behind when its variance was set
        to 0 have no effect.
        """
        cdef Py_ssize_t dense = min(n, self.p.capacity), i, k, at = 0
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
        cdef Py_ssize_t dense = min(self.p.capacity, len(variances)), i, k, at = 0
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


cdef inline Py_ssize_t _rounded_up(Py_ssize_t n) noexcept nogil:
    """Return the next multiple of four: the kernels know no rest."""
    return (n + 3) // 4 * 4


cdef void begin_event(Covariance* p, double event) noexcept nogil:
    """Clear the scratch for the event with the number `event`, and limit the largest variance."""
    cdef Py_ssize_t i = _largest(p)
    if i >= 0:
        _limit(p, i)
    # Vectors of the width that they are read with: a processor waits for narrower stores to leave its queue.
    memset(p.gain, 0, p.stride * sizeof(double))
    memset(p.touched, 0, p.capacity)
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
    if at >= p.capacity:
        return
    p.dense = p.dense if p.dense > at else at + 1
    for i in range(p.dense):
        p.matrix[at * p.stride + i] = p.matrix[i * p.stride + at] = 0.0
    p.matrix[at * p.stride + at] = p.prior
    # The gain may hold what runs before this one had in common with the parameter that was here before.
    p.gain[at] = 0.0


cdef double add_inputs(Covariance* p, const double* z, Py_ssize_t at, Py_ssize_t n) noexcept nogil:
    """Add the inputs ``z[0 : n]`` of the parameters from `at` on to the gain; returns by how much ``z' P z`` grows."""
    cdef Py_ssize_t i, n_new = 0, inside = p.capacity - at if at < p.capacity else 0
    # Through `p`, each store would let the compiler read the pointers again.
    cdef char* touched = p.touched + at
    cdef double growth
    inside = inside if inside < n else n
    for i in range(n):
        if p.variance[at + i] <= 0.0:
            _begin(p, at + i)
    # P is symmetric: the run's products with the gain before and after it make the square and both mixed terms.
    growth = dot(z, p.gain + at, inside)
    covariance_add_rows(p.gain, p.matrix + at * p.stride, z, inside, p.stride, _rounded_up(p.dense))
    growth += dot(z, p.gain + at, inside)
    for i in range(inside):
        n_new += not touched[i]
        touched[i] = HAS_INPUT if z[i] != 0.0 or touched[i] == HAS_INPUT else TOUCHED
    p.n_touched += n_new
    for i in range(inside, n):
        growth += p.variance[at + i] * (z[i] * z[i])
    p.spread += growth
    return growth


cdef void settle_change(Covariance* p, double change, double forgetting) noexcept nogil:
    """Set by what the event changes the matrix: ``P <- (P - change (P z)(P z)') / forgetting``.

    Nothing is forgotten where the variances that the event touches are twice the initial ones on average: P would wind up.
    """
    cdef double size = sqrt(change), variances = 0.0, most = 1.0 / forgetting, mixed
    cdef const char* touched = p.touched
    cdef bint all_have_inputs = True
    cdef Py_ssize_t k
    for k in range(p.dense):
        variances += p.variance[k] if touched[k] else 0.0
        all_have_inputs &= touched[k] == HAS_INPUT
    most = most if variances <= 2.0 * p.prior * p.n_touched else 1.0
    mixed = sqrt(most)
    covariance_settle(p.scaled, p.growths, p.gain, size, most, _rounded_up(p.dense))
    if not all_have_inputs:
        for k in range(p.dense):
            p.growths[k] = most if touched[k] == HAS_INPUT else mixed
            p.growths_without[k] = mixed if touched[k] == HAS_INPUT else 1.0
    p.settled = True
    p.change, p.growth = change, 1.0 / forgetting


cdef void apply_change(Covariance* p, const double* z, Py_ssize_t at, Py_ssize_t n) noexcept nogil:
    """Change the covariances of the parameters from `at` on; their inputs ``z`` were added before."""
    cdef Py_ssize_t first, i = at, last = at + n if at + n < p.dense else p.dense
    cdef const char* touched = p.touched
    cdef double* variance = p.variance
    cdef double value
    while i < last:
        # Rows that change in the same way are changed together.
        first = i
        while i < last and is_due(p, i) and touched[i] == touched[first]:
            i += 1
        if i > first:
            _change_rows(p, first, i)
        else:
            i += 1
    for i in range(last if last > at else at, at + n):
        value = variance[i] * z[i - at]
        value = (variance[i] - p.change * (value * value)) * (p.growth if z[i - at] != 0.0 else 1.0)
        variance[i] = value if value < p.prior else p.prior
    for i in range(at, at + n):
        variance[i] = variance[i] if variance[i] > VARIANCE_MIN else 0.0


cdef void _change_rows(Covariance* p, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    """Change some rows of the matrix, and the columns of their parameters; all of them have inputs, or none has."""
    cdef double* matrix = p.matrix
    cdef double* variance = p.variance
    cdef char* touched = p.touched
    cdef const double* growths = p.growths if p.touched[start] == HAS_INPUT else p.growths_without
    cdef Py_ssize_t j, k, dense = p.dense, stride = p.stride
    covariance_change_rows(
        matrix + start * stride, p.scaled, growths, p.scaled + start, stop - start, stride, _rounded_up(dense))
    for j in range(start, stop):
        touched[j] = CHANGED
        variance[j] = matrix[j * stride + j]
    if p.n_touched == dense:
        return
    for j in range(start, stop):
        for k in range(dense):
            if not touched[k]:
                matrix[k * stride + j] = matrix[j * stride + k]


cdef void add_variance(Covariance* p, Py_ssize_t at, double more) noexcept nogil:
    """Raise the variance of a parameter that has begun by `more`, at most to the initial one."""
    cdef double variance = p.variance[at]
    if not 0.0 < variance < p.prior:
        return
    variance = variance + more if variance + more < p.prior else p.prior
    p.variance[at] = variance
    if at < p.dense:
        p.matrix[at * p.stride + at] = variance
