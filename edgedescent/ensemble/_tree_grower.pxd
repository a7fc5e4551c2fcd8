"""Regression tree of fixed depth, grown on histograms of binned inputs."""
from libc.stdint cimport uint8_t

cdef enum:
    DEPTH = 4
    INNER = 15
    LEAVES = 16
    # Columns that a tree looks at, bins of each, and events that it is fitted to, at most.
    COLUMNS_MAX = 10
    BINS = 16
    EVENTS_MAX = 2000
    SAMPLED_MAX = 128

cdef float NEVER

cdef class TreeGrower:
    # Upper edges of the bins by column, and their numbers.
    cdef float* edges
    cdef Py_ssize_t* n_edges
    # Of the events: residuals, bins by column, and the node or leaf of the tree that was grown last.
    cdef double* residuals
    cdef uint8_t* codes
    cdef uint8_t* nodes
    # Histograms: sums of residuals and numbers of events by node, column and bin.
    cdef double* sums
    cdef int* counts
    cdef object scratch

    cdef bint find_edges(self, const float* values, Py_ssize_t stride, Py_ssize_t n_sampled, Py_ssize_t column) noexcept nogil
    cdef void encode(self, Py_ssize_t i, const float* row, Py_ssize_t n_columns) noexcept nogil
    cdef void grow(self, Py_ssize_t n, Py_ssize_t n_columns, int* columns, float* thresholds, double* values) noexcept nogil
    cdef void _fill_histograms(self, Py_ssize_t n, Py_ssize_t n_nodes, Py_ssize_t n_columns) noexcept nogil
    cdef Py_ssize_t _best_split(self, Py_ssize_t node, Py_ssize_t n_columns) noexcept nogil
