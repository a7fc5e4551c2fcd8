"""Counts of choices by item that forget at several rates."""
from edgedescent.numerics._ranking_kernels cimport quick_log

cdef class DecayedCounts:
    cdef readonly Py_ssize_t n_horizons
    cdef readonly Py_ssize_t rows
    # Counts in units of `units`, one array per horizon, each with `rows` places.
    cdef float* counts
    cdef double* units
    cdef double* growths
    cdef readonly double floor
    cdef object counts_array
    cdef object units_array
    cdef object growths_array

    cdef int make_room(self, Py_ssize_t rows) except -1
    cdef void clear(self, Py_ssize_t row) noexcept nogil
    cdef void add(self, Py_ssize_t row, double weight, bint passes) noexcept nogil
    cdef void add_logs(self, float* sums, const float* weights, Py_ssize_t begin, Py_ssize_t n) noexcept nogil

    cdef inline float log_count(self, Py_ssize_t horizon, Py_ssize_t row) noexcept nogil:
        """Return log(count + floor), with the bits of `add_logs`."""
        return quick_log(<float>(1.0 / self.units[horizon]) * self.counts[horizon * self.rows + row] + <float>self.floor)
