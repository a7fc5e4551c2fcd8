"""Covariance matrix of the parameters of a linear model, for recursive least squares."""

# Covariance P of the parameters' errors: dense for the first `capacity` of them, diagonal for the others. What is below
# `event` is scratch of one event and not state.
cdef struct Covariance:
    # Variance of each parameter; 0 for one that has not begun, which begins at its first event.
    double* variance
    # Row after row, each of `stride` numbers. Only the first `dense` rows and columns are used, those up to the last
    # parameter that has begun; what stands behind them is 0.
    double* matrix
    Py_ssize_t dense
    Py_ssize_t capacity
    Py_ssize_t stride
    # Initial variance of a parameter.
    double prior
    # Number of the event that the scratch belongs to, and whether its change of the matrix is settled.
    double event
    bint settled
    # z of each parameter that the event touches, for a caller that has no array of its own.
    double* inputs
    # P z for each parameter of the matrix, the same times the root of `change`, and by what its covariance grows with one
    # that has an input, and with one whose input is 0.
    double* gain
    double* scaled
    double* growths
    double* growths_without
    # What the event has done to each parameter of the matrix. Categories that share a row by their hash touch it several
    # times; it changes once.
    char* touched
    Py_ssize_t n_touched
    # z' P z over all parameters that were added to the event.
    double spread
    # The event subtracts `change` times (P z)(P z)' from P. Then the variances outside the matrix are multiplied by `growth`
    # if they have an input.
    double change
    double growth
    double forgetting

cdef enum:
    # Touched with inputs of 0 only, touched with another one, changed after that.
    TOUCHED = 1
    HAS_INPUT = 2
    CHANGED = 3

cdef class CovarianceMatrix:
    cdef Covariance p
    cdef readonly Py_ssize_t dense_max
    cdef readonly object matrix
    cdef list scratch

    cdef int grow(self, Py_ssize_t n, double* variance) except -1
    cdef int restore(self, matrix, variances) except -1

cdef inline bint is_due(const Covariance* p, Py_ssize_t at) noexcept nogil:
    """True if the event touches a parameter of the matrix that it has not changed yet."""
    return 0 < p.touched[at] < CHANGED

cdef void begin_event(Covariance* p, double event) noexcept nogil
cdef double add_inputs(Covariance* p, const double* z, Py_ssize_t at, Py_ssize_t n) noexcept nogil
cdef void settle_change(Covariance* p, double change, double forgetting) noexcept nogil
cdef void apply_change(Covariance* p, const double* z, Py_ssize_t at, Py_ssize_t n) noexcept nogil
cdef void add_variance(Covariance* p, Py_ssize_t at, double more) noexcept nogil
