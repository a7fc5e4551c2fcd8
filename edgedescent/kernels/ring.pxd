from libc.stdint cimport uint64_t

cdef class Ring:
    cdef readonly Py_ssize_t size
    cdef readonly Py_ssize_t width
    cdef readonly long long n_pushed
    cdef uint64_t random
    cdef int* rows
    cdef double* values
    cdef double* targets
    cdef int* lengths
    # The event number at which each entry was pushed: rows given to another key since are recognized by it.
    cdef long long* times
    cdef list arrays

    cdef int make_room(self, Py_ssize_t width) except -1
    cdef void push(self, const Py_ssize_t* rows, const double* values, Py_ssize_t n, double target,
                   long long now) noexcept nogil
    cdef Py_ssize_t draw(self) noexcept nogil
