"""SipHash-2-4 (Aumasson, Bernstein 2012): a 64-bit hash with the same value in every process and on every machine."""
import sys

from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

# True on little-endian machines, where memcpy reads a word in the byte order of the algorithm.
cdef bint LITTLE = sys.byteorder == "little"
cdef uint64_t KEY_0 = 0x0706050403020100
cdef uint64_t KEY_1 = 0x0F0E0D0C0B0A0908


cdef inline uint64_t rotate(uint64_t x, int b) noexcept nogil:
    return (x << b) | (x >> (64 - b))


cdef inline void sip_round(uint64_t* v) noexcept nogil:
    v[0] += v[1]
    v[1] = rotate(v[1], 13) ^ v[0]
    v[0] = rotate(v[0], 32)
    v[2] += v[3]
    v[3] = rotate(v[3], 16) ^ v[2]
    v[0] += v[3]
    v[3] = rotate(v[3], 21) ^ v[0]
    v[2] += v[1]
    v[1] = rotate(v[1], 17) ^ v[2]
    v[2] = rotate(v[2], 32)


cdef uint64_t siphash(const unsigned char* data, Py_ssize_t n) noexcept nogil:
    """Return the hash of `n` bytes under the fixed key."""
    cdef uint64_t v[4]
    cdef uint64_t word
    cdef Py_ssize_t i, j
    v[0] = KEY_0 ^ <uint64_t>0x736F6D6570736575
    v[1] = KEY_1 ^ <uint64_t>0x646F72616E646F6D
    v[2] = KEY_0 ^ <uint64_t>0x6C7967656E657261
    v[3] = KEY_1 ^ <uint64_t>0x7465646279746573
    for i in range(n // 8 + 1):
        word = 0
        if LITTLE and i < n // 8:
            memcpy(&word, data + 8 * i, 8)
        else:
            for j in range(8):
                if 8 * i + j < n:
                    word |= <uint64_t>data[8 * i + j] << (8 * j)
        if i == n // 8:
            # The top byte of the last word is the length modulo 256.
            word |= <uint64_t>n << 56
        v[3] ^= word
        sip_round(v)
        sip_round(v)
        v[0] ^= word
    v[2] ^= 0xFF
    for i in range(4):
        sip_round(v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


cdef uint64_t hash_text(str text) except? 0:
    """Return the hash of a text encoded as UTF-8."""
    cdef Py_ssize_t n
    cdef const char* data = PyUnicode_AsUTF8AndSize(text, &n)
    return siphash(<const unsigned char*>data, n)


def siphash24(const unsigned char[::1] data):
    """Return the hash of `data` under the key 00 01 … 0f, as in appendix A of the paper."""
    return siphash(&data[0] if data.shape[0] else NULL, data.shape[0])
