"""Count-min sketch with aging: how often names came lately, in bounded memory."""
import numpy as np

cdef enum:
    # Number of hash functions.
    DEPTH = 4
    COUNT_MAX = 255
    WIDTH_MIN = 1024


cdef class FrequencySketch:
    """Count-min sketch of names by their 64-bit hashes, with conservative update.

    Each name has a counter for each of four hash functions, and the smallest of them is its estimate, which is never
    too small. Only the smallest are incremented. After half as many names as a hash function has counters, all counters
    are halved: a name that comes once is forgotten, one that comes again and again is not. By then one new name in
    forty seems to have come before, and about one in 20,000 to have come twice. The counters take up 8 to 16 bytes for
    each of `rows_max`, and at least 4 KiB; there are none before the first name.

    Args:
        rows_max: size of the table that the names want to get into.

    References:
        Cormode and Muthukrishnan (2005), "An improved data stream summary: the count-min sketch and its applications",
        Journal of Algorithms 55(1).
        Estan and Varghese (2002), "New directions in traffic measurement and accounting", SIGCOMM: conservative update.
        Einziger, Friedman and Manes (2017), "TinyLFU: a highly efficient cache admission policy", ACM Transactions on
        Storage 13(4), section 3: aging by halving.
        Kirsch and Mitzenmacher (2006), "Less hashing, same performance", ESA: four hash functions from two.
    """

    def __init__(self, Py_ssize_t rows_max):
        self.width = WIDTH_MIN
        while self.width < 2 * rows_max:
            self.width *= 2
        self._set_counters(np.zeros(0, dtype=np.uint8))
        self.n_added = 0

    def _set_counters(self, array):
        cdef unsigned char[::1] view = array
        self.counters_array = array
        self.counters = &view[0] if len(array) else NULL

    cdef int estimate(self, uint64_t word) noexcept nogil:
        """Number of times that a name was added lately, never too small."""
        cdef uint64_t at = <unsigned int>word, by = (word >> 32) | 1
        cdef int i, count, least = COUNT_MAX
        if self.counters == NULL:
            return 0
        for i in range(DEPTH):
            count = self.counters[i * self.width + <Py_ssize_t>(at & <uint64_t>(self.width - 1))]
            least = count if count < least else least
            at += by
        return least

    cdef int add(self, uint64_t word) except -1:
        """Add a name; returns how often it was added lately, this time included."""
        cdef uint64_t at = <unsigned int>word, by = (word >> 32) | 1
        cdef unsigned char* counter
        cdef int i, least
        if self.counters == NULL:
            self._set_counters(np.zeros(DEPTH * self.width, dtype=np.uint8))
        if self.n_added >= self.width // 2:
            self.counters_array >>= 1
            self.n_added = 0
        least = self.estimate(word)
        self.n_added += 1
        if least == COUNT_MAX:
            return least
        for i in range(DEPTH):
            counter = &self.counters[i * self.width + <Py_ssize_t>(at & <uint64_t>(self.width - 1))]
            if counter[0] == least:
                counter[0] += 1
            at += by
        return least + 1

    def save(self):
        """Copy of the counters, empty before the first name."""
        return np.array(self.counters_array)

    def restore(self, counters, long long n_added):
        """Take what `save` returned, and the number of names since the last halving.

        Raises:
            ValueError: If there are neither no counters nor as many as the sketch has, or the number cannot be.
        """
        if len(counters) not in (0, DEPTH * self.width) or not 0 <= n_added <= (self.width // 2 if len(counters) else 0):
            raise ValueError(
                f"The state has {len(counters)} counts of new names after {n_added} names; there must be none or "
                f"{DEPTH * self.width}."
            )
        self._set_counters(np.array(counters))
        self.n_added = n_added
