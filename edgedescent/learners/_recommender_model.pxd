"""Base class of the compiled models of users and items."""
from edgedescent.features._id_encoder cimport IdEncoder

cdef class RecommenderModel:
    cdef readonly IdEncoder encoder
    # Number of the best items by `score_items` that are sorted by `rescore`; 0 for none.
    cdef readonly Py_ssize_t head
    # Whether `learn` uses what `predict` of the same event leaves behind.
    cdef readonly bint learns_from_prediction

    cdef double usable_target(self, double y) noexcept nogil
    cdef double predict(self, Py_ssize_t u, Py_ssize_t i) noexcept nogil
    cdef int prepare(self) except -1
    cdef int start_new_rows(self) except -1
    cdef void learn(self, double y) noexcept nogil
    cdef int check(self) except -1
    cdef void begin_scoring(self, Py_ssize_t u) noexcept nogil
    cdef void score_items(self, Py_ssize_t u, Py_ssize_t begin, Py_ssize_t n, double* scores) noexcept nogil
    cdef double rescore(self, Py_ssize_t u, Py_ssize_t i) noexcept nogil
