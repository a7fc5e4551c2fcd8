"""Batch of eight events of a network, and the gradients of the weights of their inputs."""
from edgedescent.ensemble._inputs cimport Inputs

cdef enum:
    # Events whose average gradient is one step.
    BATCH = 8

cdef class Batch:
    # Room for inputs of an event, for slots from 0 on, for numbers of a row and for units of a layer.
    cdef Py_ssize_t room
    cdef Py_ssize_t slots
    cdef Py_ssize_t width
    cdef Py_ssize_t units
    # Number of events, and the largest number of inputs of one, those that the network leaves out included.
    cdef Py_ssize_t n
    cdef Py_ssize_t widest
    # Inputs of the events, `room` apart; numbers of inputs; targets, what the layers contribute
    # to the outputs, errors and slopes of the loss.
    cdef int* slots_of
    cdef float* z
    cdef Py_ssize_t lengths[BATCH]
    cdef double targets[BATCH]
    cdef float outputs[BATCH]
    cdef double errors[BATCH]
    cdef float slopes[BATCH]
    # By event: a row of the first layer, and of the second one. By unit: activations and deltas of both layers, behind a
    # row of ones, which is the input of the biases.
    cdef float* by_event1
    cdef float* by_event2
    cdef float* active1
    cdef float* active2
    cdef float* delta1
    cdef float* delta2
    # Slots that have a gradient, and these, a row for each; for each slot its place among them, or -1.
    cdef Py_ssize_t n_touched
    cdef int* touched
    cdef float* gradient
    cdef int* place_of
    cdef object inputs, layers, gradients

    cdef int reserve(self, Py_ssize_t slots, Py_ssize_t width, Py_ssize_t units) except -1
    cdef int make_room(self, Py_ssize_t n) except -1
    cdef void add(self, const Inputs* inputs, Py_ssize_t lags_used, Py_ssize_t n_lags, double target) noexcept nogil
    cdef void touch(self, Py_ssize_t width) noexcept nogil
    cdef void clear(self) noexcept nogil
