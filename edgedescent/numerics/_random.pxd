"""Pseudo-random numbers from a 64-bit state, which checkpoints include; the same sequence on every machine."""
from libc.math cimport cos, log, sqrt
from libc.stdint cimport uint64_t


cdef inline uint64_t next_word(uint64_t* state) noexcept nogil:
    # SplitMix64 (Steele, Lea, Flood 2014, OOPSLA).
    cdef uint64_t z
    state[0] += <uint64_t>0x9E3779B97F4A7C15
    z = state[0]
    z = (z ^ (z >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <uint64_t>0x94D049BB133111EB
    return z ^ (z >> 31)


cdef inline double next_uniform(uint64_t* state) noexcept nogil:
    """Return a uniformly distributed double in (0, 1]."""
    return ((next_word(state) >> 11) + 1) * (1.0 / 9007199254740992.0)


cdef inline double next_normal(uint64_t* state) noexcept nogil:
    """Return a normally distributed double of mean 0 and variance 1 (Box and Muller 1958)."""
    cdef double radius = sqrt(-2.0 * log(next_uniform(state)))
    return radius * cos(6.283185307179586 * next_uniform(state))


cdef inline Py_ssize_t next_below(uint64_t* state, Py_ssize_t n) noexcept nogil:
    """Return a uniformly distributed integer in [0, n); the modulo bias is negligible for the values of n in use."""
    return <Py_ssize_t>(next_word(state) % <uint64_t>n)
