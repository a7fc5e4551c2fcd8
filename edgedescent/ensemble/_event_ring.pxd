"""Ring of the latest events, from which all networks of an ensemble replay."""
from edgedescent.ensemble._inputs cimport Inputs

cdef class EventRing:
    cdef readonly Py_ssize_t size
    cdef Py_ssize_t cells_max
    # Number of events ever pushed; the newest has the number n_pushed - 1.
    cdef readonly long long n_pushed
    cdef readonly Py_ssize_t held
    cdef Py_ssize_t n_values
    cdef Py_ssize_t n_cells
    cdef double* bases
    cdef double* labels
    cdef int* starts
    cdef int* lengths
    cdef int* cell_slots
    cdef float* cell_z
    cdef object arrays
    cdef object cells

    cdef int make_room(self, Py_ssize_t n) except -1
    cdef void push(self, const Inputs* inputs, double base, double label) noexcept nogil
    cdef Py_ssize_t recall(self, long long number, Inputs* inputs) noexcept nogil
    cdef Inputs stored(self, long long number, const Inputs* scratch) noexcept nogil
    cdef void forget_slot(self, int slot) noexcept nogil
