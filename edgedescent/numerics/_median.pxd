"""Median of a few numbers, the same bits on every machine."""

cdef enum:
    MEDIAN_MAX = 64


cdef inline double median(const double* values, int n) noexcept nogil:
    """Return the median of an even number of values, up to `MEDIAN_MAX`, by insertion."""
    cdef double[MEDIAN_MAX] ordered
    cdef int i, j
    for i in range(n):
        j = i
        while j > 0 and ordered[j - 1] > values[i]:
            ordered[j] = ordered[j - 1]
            j -= 1
        ordered[j] = values[i]
    # Not half of the sum, which may overflow.
    return ordered[n // 2 - 1] + 0.5 * (ordered[n // 2] - ordered[n // 2 - 1])
