"""Fast 64-bit hashes of bytes and numbers, the same on every machine; no defence against who chooses collisions."""
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

cdef extern from *:
    """
    #include <stdint.h>
    /* Both halves of a product of 128 bits, in one word. */
    static inline uint64_t folded_product(uint64_t a, uint64_t b) {
    #ifdef __SIZEOF_INT128__
        unsigned __int128 product = (unsigned __int128)a * b;
        return (uint64_t)product ^ (uint64_t)(product >> 64);
    #else
        uint64_t a1 = a >> 32, a0 = (uint32_t)a, b1 = b >> 32, b0 = (uint32_t)b;
        uint64_t low = a0 * b0, middle = a1 * b0 + (low >> 32), other = a0 * b1 + (uint32_t)middle;
        return (other << 32 | (uint32_t)low) ^ (a1 * b1 + (middle >> 32) + (other >> 32));
    #endif
    }
    """
    uint64_t folded_product(uint64_t a, uint64_t b) noexcept nogil


cdef inline uint64_t mixed(uint64_t z) noexcept nogil:
    """Spread a word over all 64 bits, one to one: the finalizer of SplitMix64 (Steele, Lea, Flood 2014)."""
    z = (z ^ (z >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <uint64_t>0x94D049BB133111EB
    return z ^ (z >> 31)


cdef inline uint64_t half_word(const unsigned char* at) noexcept nogil:
    # Compilers make one load of it.
    return <uint64_t>at[0] | <uint64_t>at[1] << 8 | <uint64_t>at[2] << 16 | <uint64_t>at[3] << 24


cdef inline uint64_t word_of_bytes(const unsigned char* at, Py_ssize_t n) noexcept nogil:
    """Word of `n` bytes, which `mixed` makes a hash of."""
    cdef uint64_t h = <uint64_t>n * <uint64_t>0x9E3779B97F4A7C15
    cdef Py_ssize_t left = n
    while left >= 8:
        h = (h ^ half_word(at) ^ half_word(at + 4) << 32) * <uint64_t>0xBF58476D1CE4E5B9
        h ^= h >> 32
        at += 8
        left -= 8
    # The rest in at most three loads, which may overlap.
    if left >= 4:
        h ^= half_word(at) | half_word(at + left - 4) << 32
    elif left:
        h ^= <uint64_t>at[0] | <uint64_t>at[left >> 1] << 8 | <uint64_t>at[left - 1] << 16
    return h


cdef inline uint64_t hash_word(uint64_t name, uint64_t word) noexcept nogil:
    """Hash of a word under that of its name: one multiplication, as this is done for each feature of an event."""
    return folded_product(name ^ <uint64_t>0xA0761D6478BD642F, word ^ <uint64_t>0xD1B54A32D192ED03)


cdef inline uint64_t hash_number(uint64_t name, double value) noexcept nogil:
    """Hash of a number under the word of its name; 0.0 and -0.0 are the same number."""
    cdef uint64_t bits
    value = value + 0.0
    memcpy(&bits, &value, sizeof(bits))
    return hash_word(name, bits)
