cdef struct Ranked:
    double score
    Py_ssize_t place

cdef class TopK:
    cdef Ranked* heap
    cdef Py_ssize_t k
    cdef Py_ssize_t n

    cdef void offer(self, double score, Py_ssize_t place) noexcept nogil
    cdef void _sink(self, Ranked one) noexcept nogil
    cdef list places(self)
