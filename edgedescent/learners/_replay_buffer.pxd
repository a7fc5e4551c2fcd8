from libc.stdint cimport uint64_t

cdef class ReplayBuffer:
    cdef readonly Py_ssize_t size
    # How many events it holds, from the slot `first` on, and how many values these have together.
    cdef readonly Py_ssize_t held
    cdef readonly Py_ssize_t n_values
    cdef readonly long long n_pushed
    cdef Py_ssize_t first
    cdef uint64_t random
    # A cell per value. Those of the event in a slot begin at `starts` and go on at 0 behind the last cell.
    cdef readonly Py_ssize_t n_cells
    cdef readonly Py_ssize_t cells_max
    cdef int* rows
    cdef double* values
    cdef list cells
    # A slot per event.
    cdef double* targets
    cdef int* lengths
    cdef int* starts
    # The event number at which each entry was pushed: rows given to another key since are recognized by it.
    cdef long long* times
    cdef list slots

    cdef int make_room(self, Py_ssize_t n) except -1
    cdef void push(self, const Py_ssize_t* rows, const double* values, Py_ssize_t n, double target,
                   long long now) noexcept nogil
    cdef Py_ssize_t draw(self) noexcept nogil
    cdef Py_ssize_t recall(self, Py_ssize_t slot, const long long* assigned_at, Py_ssize_t* rows,
                           double* values) noexcept nogil
