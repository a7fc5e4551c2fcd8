from libc.stdint cimport uint64_t

cdef class ReplayBuffer:
    cdef readonly Py_ssize_t size
    # Number of stored events, which begin at slot `first`, and the total number of their values.
    cdef readonly Py_ssize_t held
    cdef readonly Py_ssize_t n_values
    cdef readonly long long n_pushed
    cdef Py_ssize_t first
    cdef uint64_t random
    # One cell per value. The cells of an event begin at `starts` of its slot and wrap around at the end.
    cdef readonly Py_ssize_t n_cells
    cdef readonly Py_ssize_t cells_max
    cdef int* rows
    cdef double* values
    cdef list cells
    # One slot per event.
    cdef double* targets
    cdef int* lengths
    cdef int* starts
    # Event number of each stored event, to detect rows that were assigned to another name later.
    cdef long long* times
    cdef list slots

    cdef int make_room(self, Py_ssize_t n) except -1
    cdef void push(self, const Py_ssize_t* rows, const double* values, Py_ssize_t n, double target,
                   long long now) noexcept nogil
    cdef void _drop_oldest(self) noexcept nogil
    cdef Py_ssize_t draw(self) noexcept nogil
    cdef Py_ssize_t draw_recent(self) noexcept nogil
    cdef void keep_newest(self, Py_ssize_t n) noexcept nogil
    cdef Py_ssize_t recall(self, Py_ssize_t slot, const long long* assigned_at, Py_ssize_t* rows,
                           double* values) noexcept nogil
