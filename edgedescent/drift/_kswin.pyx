"""Kolmogorov-Smirnov windowing as a C function; `edgedescent.drift.KSWIN` has the equations and sources."""
from libc.math cimport fabs
from libc.stdint cimport uint32_t
from libc.string cimport memmove, memset

from edgedescent.drift._rule cimport Rule

cdef enum:
    # What is kept: the number of values in the window, whether the generator was started, and its place; then the words
    # of the generator, then the window, the oldest value first.
    COUNT, STARTED, PLACE, WORDS
    # Words of the generator, and how far apart those are that it combines.
    N = 624
    M = 397
    VALUES = WORDS + N
    WINDOW_MAX = 4096
    SAMPLE_MAX = 1024


def kswin_numbers(Py_ssize_t window_size):
    """Return how many numbers are kept of a stream."""
    return VALUES + window_size


# --- The generator: MT19937, whose 32-bit words are exact as doubles -------------------------------------------------


cdef void start_generator(double* numbers, uint32_t seed) noexcept nogil:
    """Start the generator by the key of one word, as Python's `random.seed` does."""
    cdef uint32_t words[N]
    cdef uint32_t previous
    cdef Py_ssize_t i, k
    words[0] = 19650218u
    for i in range(1, N):
        words[i] = 1812433253u * (words[i - 1] ^ (words[i - 1] >> 30)) + <uint32_t>i
    i = 1
    for k in range(N):
        previous = words[i - 1]
        words[i] = (words[i] ^ ((previous ^ (previous >> 30)) * 1664525u)) + seed
        i += 1
        if i == N:
            words[0] = words[N - 1]
            i = 1
    for k in range(N - 1):
        previous = words[i - 1]
        words[i] = (words[i] ^ ((previous ^ (previous >> 30)) * 1566083941u)) - <uint32_t>i
        i += 1
        if i == N:
            words[0] = words[N - 1]
            i = 1
    words[0] = 0x80000000u
    for i in range(N):
        numbers[WORDS + i] = words[i]
    numbers[PLACE], numbers[STARTED] = N, 1.0


cdef uint32_t next_word(double* numbers) noexcept nogil:
    cdef double* words = numbers + WORDS
    cdef Py_ssize_t i
    cdef uint32_t y
    if numbers[PLACE] >= N:
        for i in range(N):
            y = (<uint32_t>words[i] & 0x80000000u) | (<uint32_t>words[(i + 1) % N] & 0x7FFFFFFFu)
            words[i] = <uint32_t>words[(i + M) % N] ^ (y >> 1) ^ (0x9908B0DFu if y & 1 else 0u)
        numbers[PLACE] = 0.0
    y = <uint32_t>words[<Py_ssize_t>numbers[PLACE]]
    numbers[PLACE] += 1.0
    y ^= y >> 11
    y ^= (y << 7) & 0x9D2C5680u
    y ^= (y << 15) & 0xEFC60000u
    return y ^ (y >> 18)


cdef Py_ssize_t next_below(double* numbers, Py_ssize_t n) noexcept nogil:
    """Return a uniformly distributed integer in [0, n): so many bits as n has, drawn again where they are no less."""
    cdef int shift = 32
    cdef Py_ssize_t found
    while n >> (32 - shift):
        shift -= 1
    found = next_word(numbers) >> shift
    while found >= n:
        found = next_word(numbers) >> shift
    return found


cdef void draw(double* numbers, Py_ssize_t n, Py_ssize_t k, double* drawn) noexcept nogil:
    """Draw k of the first n values of the window without replacement, in the way of Python's `random.sample`."""
    cdef short pool[WINDOW_MAX]
    cdef const double* window = numbers + VALUES
    cdef Py_ssize_t i, j, direct = 21, power = 1
    if k > 5:
        while power < 3 * k:
            power *= 4
        direct += power
    if n <= direct:
        for i in range(n):
            pool[i] = <short>i
        for i in range(k):
            j = next_below(numbers, n - i)
            drawn[i] = window[pool[j]]
            pool[j] = pool[n - i - 1]
        return
    memset(pool, 0, n * sizeof(short))
    for i in range(k):
        j = next_below(numbers, n)
        while pool[j]:
            j = next_below(numbers, n)
        pool[j] = 1
        drawn[i] = window[j]


# --- The test --------------------------------------------------------------------------------------------------------


cdef void sort(double* values, Py_ssize_t n) noexcept nogil:
    """Sort in place, by insertion over shrinking gaps (Shell 1959, with the gaps of Knuth)."""
    cdef Py_ssize_t gap = 1, i, j
    cdef double value
    while gap < n // 3:
        gap = 3 * gap + 1
    while gap:
        for i in range(gap, n):
            value, j = values[i], i
            while j >= gap and values[j - gap] > value:
                values[j] = values[j - gap]
                j -= gap
            values[j] = value
        gap //= 3


cdef Py_ssize_t distance(const double* a, const double* b, Py_ssize_t n) noexcept nogil:
    """Return n times the largest distance of the distributions of two sorted samples of n values."""
    cdef Py_ssize_t i = 0, j = 0, largest = 0, apart
    cdef double value
    while i < n and j < n:
        value = a[i] if a[i] < b[j] else b[j]
        while i < n and a[i] == value:
            i += 1
        while j < n and b[j] == value:
            j += 1
        apart = i - j if i > j else j - i
        largest = apart if apart > largest else largest
    return largest


cdef double kswin_critical(double alpha, Py_ssize_t n) noexcept nogil:
    """Return the least h such that a distance of h / n is an alarm; n + 1 where none is.

    The p-value of h is 2 (C₁ - C₂ + C₃ - …) with Cₖ = C(2n, n - k h) / C(2n, n) (Hodges 1958).
    """
    cdef Py_ssize_t h, k, i
    cdef double p, term
    for h in range(n // 10 + 1, n + 1):
        p = 0.0
        # The smallest terms come first.
        for k in range(n // h, 0, -1):
            term = 1.0
            for i in range(1, k * h + 1):
                term *= <double>(n - k * h + i) / <double>(n + i)
            p += term if k % 2 else -term
        if 2.0 * p <= alpha:
            return <double>h
    return n + 1.0


cdef bint kswin(const Rule* rule, double* numbers, double x) noexcept nogil:
    cdef Py_ssize_t size = <Py_ssize_t>rule.hyper[1], n = <Py_ssize_t>rule.hyper[2]
    cdef double drawn[SAMPLE_MAX]
    cdef double latest[SAMPLE_MAX]
    cdef double* window = numbers + VALUES
    cdef Py_ssize_t i, count = <Py_ssize_t>numbers[COUNT]
    if not numbers[STARTED]:
        start_generator(numbers, <uint32_t>rule.hyper[3])
    if count == size:
        memmove(window, window + 1, (size - 1) * sizeof(double))
        count -= 1
    window[count] = x
    numbers[COUNT] = count + 1
    if count + 1 < size:
        return False
    draw(numbers, size - n, n, drawn)
    for i in range(n):
        latest[i] = window[size - n + i]
    sort(drawn, n)
    sort(latest, n)
    return distance(drawn, latest, n) >= rule.derived


cdef bint kswin_is_valid(const Rule* rule, const double* numbers) noexcept nogil:
    cdef double count = numbers[COUNT], place = numbers[PLACE], word
    cdef Py_ssize_t i
    if not 0.0 <= count <= rule.hyper[1] or count != <Py_ssize_t>count or not 0.0 <= place <= N:
        return False
    if place != <Py_ssize_t>place or (numbers[STARTED] != 1.0 and not (numbers[STARTED] == 0.0 == count)):
        return False
    for i in range(N):
        word = numbers[WORDS + i]
        if not 0.0 <= word <= 4294967295.0 or word != <uint32_t>word:
            return False
    for i in range(<Py_ssize_t>rule.hyper[1]):
        if not fabs(numbers[VALUES + i]) < 1e100:
            return False
    return True
