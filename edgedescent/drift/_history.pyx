"""Means of the earlier and the later values of a stream, from an exponential histogram of their sums.

The buckets of row r have 2ʳ values each. All is doubles, so that a watch can keep it among its numbers.
"""
from libc.string cimport memmove


cdef inline void append(Row* row, double total, double first) noexcept nogil:
    cdef Py_ssize_t n = <Py_ssize_t>row.n
    row.sums[n], row.firsts[n] = total, first
    row.n = n + 1


cdef inline void remove_oldest(Row* row, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t left = <Py_ssize_t>row.n - n
    memmove(&row.sums[0], &row.sums[n], left * sizeof(double))
    memmove(&row.firsts[0], &row.firsts[n], left * sizeof(double))
    row.n = left


cdef void remember(History* history, double value, double number) noexcept nogil:
    """Add a value, which came with event `number`; beyond 2⁴⁰ values, the oldest are dropped."""
    cdef Row* row = &history.rows[0]
    cdef Py_ssize_t r = 0
    if history.n_rows == 0.0:
        history.n_rows = 1.0
    append(row, value, number)
    while row.n > BUCKETS:
        if r == HISTORY_ROWS - 1:
            remove_oldest(row, 1)
            return
        if history.n_rows == r + 1:
            history.n_rows = r + 2
        append(&history.rows[r + 1], row.sums[0] + row.sums[1], row.firsts[0])
        remove_oldest(row, 2)
        r += 1
        row = &history.rows[r]


cdef Change split(const History* history) noexcept nogil:
    """Split the values, of which there are two at least, between the two buckets where the means differ most.

    That is where n₀ n₁ (mean₀ - mean₁)² is largest: two means leave the least squared error there.
    """
    cdef Change change
    cdef const Row* row
    cdef double size, total = 0.0, n = 0.0, after = 0.0, n_after = 0.0, distance, gain, largest = -1.0
    cdef Py_ssize_t r, k, n_rows = <Py_ssize_t>history.n_rows
    change.before = change.after = change.since = 0.0
    for r in range(n_rows):
        row = &history.rows[r]
        n += row.n * <double>(1LL << r)
        for k in range(<Py_ssize_t>row.n):
            total += row.sums[k]
    # From the newest bucket to the oldest.
    for r in range(n_rows):
        row, size = &history.rows[r], <double>(1LL << r)
        for k in range(<Py_ssize_t>row.n - 1, -1, -1):
            n_after += size
            after += row.sums[k]
            if n_after == n:
                return change
            distance = after / n_after - (total - after) / (n - n_after)
            gain = n_after * (n - n_after) / n * distance * distance
            if gain > largest:
                largest = gain
                change.before, change.after, change.since = (total - after) / (n - n_after), after / n_after, row.firsts[k]
    return change


cdef bint history_is_valid(const History* history) noexcept nogil:
    """True for what `remember` can have left."""
    cdef Py_ssize_t r
    cdef double n, n_rows = history.n_rows
    if not 0.0 <= n_rows <= HISTORY_ROWS or n_rows != <Py_ssize_t>n_rows:
        return False
    for r in range(HISTORY_ROWS):
        n = history.rows[r].n
        if n != <Py_ssize_t>n or not (1.0 <= n <= BUCKETS if r < n_rows else n == 0.0):
            return False
    return True
