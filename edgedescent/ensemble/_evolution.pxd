"""Evolution of the networks of an ensemble: the worst becomes a mutated copy of the best."""
from cpython.object cimport PyObject
from libc.stdint cimport uint64_t

from edgedescent.ensemble._mixture cimport Mixture

cdef enum:
    POPULATION_MAX = 32

# Range of a hyper-parameter, and by how much it mutates: a factor on the spread.
cdef struct Bounds:
    double least
    double most
    double factor

cdef class Evolution:
    # Networks as members of the ensemble, and the number of the first one's prediction among those of the mixture.
    cdef readonly tuple members
    cdef PyObject* pointers[POPULATION_MAX]
    cdef PyObject* networks[POPULATION_MAX]
    cdef Py_ssize_t n
    cdef Py_ssize_t first
    cdef readonly Py_ssize_t generation_events
    cdef readonly Py_ssize_t first_events
    cdef double spread
    # Largest number of events that can be replayed.
    cdef double replay_max
    # Sums of the absolute errors of this generation, and the number of its events.
    cdef double losses[POPULATION_MAX]
    cdef long long n_events
    cdef readonly long long n_generations
    cdef readonly long long n_replaced
    # Number of the network that was best in the last generation.
    cdef readonly long long best
    cdef uint64_t random

    cdef void learn(self, Mixture mixture, double y) noexcept nogil
    cdef bint _is_last_of_its_kind(self, Py_ssize_t i) noexcept nogil
    cdef void _replace_worst(self, Mixture mixture) noexcept nogil
    cdef void _mutate(self, Py_ssize_t i) noexcept nogil
    cdef double _mutated(self, double value, const Bounds* bounds) noexcept nogil
