"""Adaptive windowing as a C function; `edgedescent.drift.ADWIN` has the equations and sources.

The window is kept as rows of buckets: those of row r have 2ʳ values each, the oldest of them first.
"""
from libc.math cimport fabs, log, sqrt
from libc.string cimport memmove

from edgedescent.drift._rule cimport Rule

cdef enum:
    # What is kept: of the window the number of values, their sum and variance times number, the number of values since
    # the last check and the number of rows; then of each row the number of buckets, the sums and the variances.
    WIDTH, TOTAL, VARIANCE, TICK, N_ROWS, FIRST_ROW
    ROWS_MAX = 40
    BUCKETS_MAX = 64
    # Values that are added at once, at most.
    VALUES_MAX = 64


cdef inline Py_ssize_t row_length(const Rule* rule) noexcept nogil:
    return 1 + 2 * (<Py_ssize_t>rule.hyper[2] + 1)


cdef inline double* row_of(const Rule* rule, const double* numbers, Py_ssize_t r) noexcept nogil:
    """Return a row: the number of its buckets, then their sums, then their variances, each for one too many."""
    return <double*>numbers + FIRST_ROW + r * row_length(rule)


cdef inline double size_of(Py_ssize_t r) noexcept nogil:
    """Return the number of values of a bucket."""
    return <double>(1LL << r)


def adwin_numbers(Py_ssize_t max_buckets):
    """Return how many numbers are kept of a stream."""
    return FIRST_ROW + ROWS_MAX * (1 + 2 * (max_buckets + 1))


cdef inline double between(double n0, double mean0, double n1, double mean1) noexcept nogil:
    """Return what the distance of their means adds to the variances of two parts when they are merged."""
    return n0 * n1 * (mean0 - mean1) * (mean0 - mean1) / (n0 + n1)


cdef inline void remove_oldest(double* row, Py_ssize_t room) noexcept nogil:
    """Remove the oldest bucket of a row."""
    cdef Py_ssize_t left = <Py_ssize_t>row[0] - 1
    memmove(row + 1, row + 2, left * sizeof(double))
    memmove(row + 1 + room, row + 2 + room, left * sizeof(double))
    row[0] = left


cdef void drop_oldest(const Rule* rule, double* numbers) noexcept nogil:
    """Drop the oldest bucket of the window, which is not its only one."""
    cdef Py_ssize_t r = <Py_ssize_t>numbers[N_ROWS] - 1, room = <Py_ssize_t>rule.hyper[2] + 1
    cdef double* row = row_of(rule, numbers, r)
    cdef double n = size_of(r), width, mean
    numbers[WIDTH] -= n
    numbers[TOTAL] -= row[1]
    width, mean = numbers[WIDTH], row[1] / n
    numbers[VARIANCE] -= row[1 + room] + between(n, mean, width, numbers[TOTAL] / width)
    remove_oldest(row, room)
    if row[0] == 0.0:
        numbers[N_ROWS] -= 1.0


cdef void insert(const Rule* rule, double* numbers, const double* values, Py_ssize_t n) noexcept nogil:
    """Add values to the window, at most `VALUES_MAX`. Full rows pass their oldest buckets on, each two merged.

    Row by row this moves little memory; value by value, the buckets would be the same.
    """
    # What a row has comes before what is added to it.
    cdef double[BUCKETS_MAX + VALUES_MAX] a_totals, a_variances, b_totals, b_variances
    cdef double* totals = a_totals
    cdef double* variances = a_variances
    cdef double* merged_totals = b_totals
    cdef double* merged_variances = b_variances
    cdef Py_ssize_t n_max = <Py_ssize_t>rule.hyper[2], room = n_max + 1, r = 0, i, first, n_own, n_all, n_merged
    cdef double* row
    cdef double before, mean, size, distance
    for i in range(n):
        before = numbers[WIDTH]
        numbers[WIDTH] = before + 1.0
        if before > 0.0:
            mean = numbers[TOTAL] / before
            numbers[VARIANCE] += before * (values[i] - mean) * (values[i] - mean) / numbers[WIDTH]
        numbers[TOTAL] += values[i]
        totals[BUCKETS_MAX + i], variances[BUCKETS_MAX + i] = values[i], 0.0
    while n > 0:
        if numbers[N_ROWS] == r:
            numbers[N_ROWS] = r + 1
        row, size = row_of(rule, numbers, r), size_of(r)
        n_own = <Py_ssize_t>row[0]
        first, n_all = BUCKETS_MAX - n_own, n_own + n
        n_merged = (n_all - n_max + 1) // 2 if n_all > n_max and r < ROWS_MAX - 1 else 0
        for i in range(n_own):
            totals[first + i], variances[first + i] = row[1 + i], row[1 + room + i]
        for i in range(n_merged):
            # `between` of two parts of one size, which is a power of two: no division is needed for the same bits.
            distance = (totals[first + 2 * i] - totals[first + 2 * i + 1]) * (1.0 / size)
            merged_totals[BUCKETS_MAX + i] = totals[first + 2 * i] + totals[first + 2 * i + 1]
            merged_variances[BUCKETS_MAX + i] = (
                variances[first + 2 * i] + variances[first + 2 * i + 1] + 0.5 * size * distance * distance)
        first += 2 * n_merged
        row[0] = n_all - 2 * n_merged
        for i in range(n_all - 2 * n_merged):
            row[1 + i], row[1 + room + i] = totals[first + i], variances[first + i]
        totals, merged_totals = merged_totals, totals
        variances, merged_variances = merged_variances, variances
        n, r = n_merged, r + 1
    if row_of(rule, numbers, ROWS_MAX - 1)[0] == room:
        # One more value is a new bucket there only once in 2³⁹ of them.
        drop_oldest(rule, numbers)


cdef bint has_cut(const Rule* rule, const double* numbers) noexcept nogil:
    """True if the window can be cut into two parts whose means differ."""
    cdef double delta = rule.hyper[0], shortest = rule.hyper[3]
    cdef double width = numbers[WIDTH], variance = numbers[VARIANCE] / width, strictness = log(2.0 * log(width) / delta)
    cdef double n0 = 0.0, n1 = width, total0 = 0.0, total1 = numbers[TOTAL], size, m, epsilon, difference
    cdef double least = 2.0 * variance * strictness * width * (1.0 - 1e-9)
    cdef double* row
    cdef Py_ssize_t r, k
    for r in range(<Py_ssize_t>numbers[N_ROWS] - 1, -1, -1):
        row, size = row_of(rule, numbers, r), size_of(r)
        for k in range(<Py_ssize_t>row[0]):
            n0 += size
            n1 -= size
            total0 += row[1 + k]
            total1 -= row[1 + k]
            if n0 < shortest or n1 < shortest:
                continue
            # What the test compares is at least √(2 σ² δ' (1 / n₀ + 1 / n₁)): most cuts need no division. The factor allows
            # for rounding.
            difference = total0 * n1 - total1 * n0
            if difference * difference <= least * n0 * n1:
                continue
            m = 1.0 / (n0 - shortest + 1.0) + 1.0 / (n1 - shortest + 1.0)
            epsilon = sqrt(2.0 * m * variance * strictness) + 2.0 / 3.0 * strictness * m
            if fabs(total0 / n0 - total1 / n1) > epsilon:
                return True
    return False


cdef bint adwin(const Rule* rule, double* numbers, const double* values, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t at = 0, n_next
    cdef double before
    while at < n:
        # Up to the next test.
        n_next = min(n - at, VALUES_MAX, <Py_ssize_t>(rule.hyper[1] - numbers[TICK]))
        insert(rule, numbers, values + at, n_next)
        numbers[TICK] += n_next
        at += n_next
        if numbers[TICK] < rule.hyper[1]:
            continue
        numbers[TICK] = 0.0
        if numbers[WIDTH] <= rule.hyper[4]:
            continue
        before = numbers[WIDTH]
        while has_cut(rule, numbers):
            drop_oldest(rule, numbers)
        if numbers[WIDTH] < before:
            return True
    return False


cdef bint adwin_is_valid(const Rule* rule, const double* numbers) noexcept nogil:
    cdef double width = 0.0, n_buckets, n_rows = numbers[N_ROWS], tick = numbers[TICK]
    cdef Py_ssize_t r
    if not 0.0 <= n_rows <= ROWS_MAX or n_rows != <Py_ssize_t>n_rows:
        return False
    if not 0.0 <= tick < rule.hyper[1] or tick != <Py_ssize_t>tick:
        return False
    for r in range(<Py_ssize_t>n_rows):
        n_buckets = row_of(rule, numbers, r)[0]
        if not 0.0 <= n_buckets <= rule.hyper[2] or n_buckets != <Py_ssize_t>n_buckets:
            return False
        width += n_buckets * size_of(r)
    for r in range(<Py_ssize_t>n_rows, ROWS_MAX):
        if row_of(rule, numbers, r)[0] != 0.0:
            return False
    return width == numbers[WIDTH] and (n_rows == 0.0 or row_of(rule, numbers, <Py_ssize_t>n_rows - 1)[0] > 0.0)
