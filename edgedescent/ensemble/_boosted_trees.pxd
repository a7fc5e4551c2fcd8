"""Gradient-boosted regression trees on the residuals of the mixture of an ensemble."""
from libc.stdint cimport uint8_t, uint64_t

from edgedescent.ensemble._aim cimport Aim
from edgedescent.ensemble._event_ring cimport EventRing
from edgedescent.ensemble._inputs cimport InputBuffer, Inputs
from edgedescent.ensemble._member cimport LabelScale
from edgedescent.ensemble._tree_grower cimport TreeGrower

cdef class BoostedTrees:
    cdef readonly Py_ssize_t size
    cdef readonly Py_ssize_t n_trees_max
    cdef readonly Py_ssize_t fit_every
    cdef Aim aim
    # Number of trees ever fitted; the newest lies at place (n_fitted - 1) % n_trees_max.
    cdef readonly long long n_fitted
    # Number of the first event of the ring that counts.
    cdef long long oldest
    cdef uint64_t random
    # Forgetting mean absolute residual, and the number of residuals in it.
    cdef double error
    cdef double n_errors
    # The trees: slots and thresholds of the inner nodes, values of the leaves.
    cdef int* slots
    cdef float* thresholds
    cdef double* values
    # Of the events, by their places in the ring: targets, inputs from the mixture, and the leaf of each tree.
    cdef double* targets
    cdef float* mixed
    cdef uint8_t* leaves
    cdef TreeGrower grower
    # Scratch.
    cdef float* query
    cdef uint8_t* reached
    cdef float* sample
    cdef int* chosen
    cdef object arrays
    cdef object scratch

    cdef double _bounded(self, double residual, double bound) noexcept nogil
    cdef Py_ssize_t _n_trees(self) noexcept nogil
    cdef void _lay_out(self, const Inputs* inputs, const float* mixed, float* row) noexcept nogil
    cdef Py_ssize_t _leaf(self, Py_ssize_t tree, const float* row) noexcept nogil
    cdef double predict(self, const Inputs* inputs, const LabelScale* scale, double mixed) noexcept nogil
    cdef void learn(self, EventRing ring, Inputs* scratch, const LabelScale* scale, double mixed, double y) noexcept nogil
    cdef void _step(self, double target) noexcept nogil
    cdef Py_ssize_t _n_usable(self, EventRing ring) noexcept nogil
    cdef void _fit(self, EventRing ring, Inputs* scratch, Py_ssize_t n) noexcept nogil
    cdef void _fill_residuals(self, long long first, Py_ssize_t n) noexcept nogil
    cdef double _sum(self, const uint8_t* leaves) noexcept nogil
    cdef Py_ssize_t _choose_inputs(self, EventRing ring, Inputs* scratch, Py_ssize_t n) noexcept nogil
    cdef void _encode(self, EventRing ring, Py_ssize_t n, Py_ssize_t n_chosen) noexcept nogil
    cdef void _find_leaves(self, Py_ssize_t tree, EventRing ring) noexcept nogil
    cdef void forget_slot(self, Py_ssize_t slot, EventRing ring) noexcept nogil
    cdef void begin_anew(self, EventRing ring) noexcept nogil
