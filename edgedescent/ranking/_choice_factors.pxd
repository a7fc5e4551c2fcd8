"""Factors of users and items, learned from choices among items that were chosen lately."""
from libc.stdint cimport uint64_t

cdef class ChoiceFactors:
    cdef readonly Py_ssize_t n_factors
    # Places of a row: the factors, and zeros up to a multiple of eight.
    cdef readonly Py_ssize_t width
    cdef uint64_t seed
    cdef uint64_t random
    cdef Py_ssize_t n_users
    cdef Py_ssize_t n_items
    cdef float* users
    cdef float* items
    cdef float* biases
    # Steps of each row so far.
    cdef float* user_steps
    cdef float* item_steps
    # Rows of the items that were chosen lately, in a ring; 0 where there is none.
    cdef int* recent
    cdef Py_ssize_t n_recent
    cdef dict arrays

    cdef int make_room(self, Py_ssize_t users, Py_ssize_t items) except -1
    cdef void start_user(self, Py_ssize_t row) noexcept nogil
    cdef void start_item(self, Py_ssize_t row, uint64_t word) noexcept nogil
    cdef float score(self, Py_ssize_t u, Py_ssize_t i) noexcept nogil
    cdef void add_scores(self, float* sums, Py_ssize_t u, float weight, Py_ssize_t begin, Py_ssize_t n) noexcept nogil
    cdef void learn(self, Py_ssize_t u, Py_ssize_t i, double weight) noexcept nogil
    cdef void _prefer(self, Py_ssize_t u, Py_ssize_t i, Py_ssize_t j, double weight) noexcept nogil
