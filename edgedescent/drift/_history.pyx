"""Means of the earlier and the later values of a stream, from an exponential histogram of their sums.

The buckets of row r have 2ʳ values each. All is doubles, so that a watch can keep it among its numbers.
"""

cdef void remember(History* history, const double* values, const double* numbers, Py_ssize_t n) noexcept nogil:
    """Add values, at most `ADDED_MAX`, which came with these events; beyond 2⁴⁰ values, the oldest are dropped.

    Row by row this moves little memory; value by value, the buckets would be the same.
    """
    # What a row has comes before what is added to it.
    cdef double[BUCKETS + ADDED_MAX] a_sums, a_firsts, b_sums, b_firsts
    cdef double* sums = a_sums
    cdef double* firsts = a_firsts
    cdef double* merged_sums = b_sums
    cdef double* merged_firsts = b_firsts
    cdef Row* row
    cdef Py_ssize_t r = 0, i, first, n_own, n_all, n_merged
    for i in range(n):
        sums[BUCKETS + i], firsts[BUCKETS + i] = values[i], numbers[i]
    while n > 0 and r < HISTORY_ROWS:
        if history.n_rows == r:
            history.n_rows = r + 1
        row = &history.rows[r]
        n_own = <Py_ssize_t>row.n
        first, n_all = BUCKETS - n_own, n_own + n
        n_merged = (n_all - BUCKETS + 1) // 2 if n_all > BUCKETS else 0
        for i in range(n_own):
            sums[first + i], firsts[first + i] = row.sums[i], row.firsts[i]
        for i in range(n_merged):
            merged_sums[BUCKETS + i] = sums[first + 2 * i] + sums[first + 2 * i + 1]
            merged_firsts[BUCKETS + i] = firsts[first + 2 * i]
        first += 2 * n_merged
        row.n = n_all - 2 * n_merged
        for i in range(n_all - 2 * n_merged):
            row.sums[i], row.firsts[i] = sums[first + i], firsts[first + i]
        sums, merged_sums = merged_sums, sums
        firsts, merged_firsts = merged_firsts, firsts
        n, r = n_merged, r + 1


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
