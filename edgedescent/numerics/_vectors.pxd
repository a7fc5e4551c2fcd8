"""Vector sums with a fixed summation order.

The fixed order gives the same bits on every machine, and the independent partial sums let the compiler vectorize.
"""


cdef inline double dot(const double* a, const double* b, Py_ssize_t n) noexcept nogil:
    """Return the dot product of two vectors."""
    # Four independent sums hide the latency of floating-point additions.
    cdef double s0 = 0.0, s1 = 0.0, s2 = 0.0, s3 = 0.0
    cdef Py_ssize_t i, whole = n - n % 4
    for i in range(0, whole, 4):
        s0 += a[i] * b[i]
        s1 += a[i + 1] * b[i + 1]
        s2 += a[i + 2] * b[i + 2]
        s3 += a[i + 3] * b[i + 3]
    for i in range(whole, n):
        s0 += a[i] * b[i]
    return (s0 + s1) + (s2 + s3)


cdef inline double add_scaled(double* sums, const double* row, double z, Py_ssize_t n) noexcept nogil:
    """Add ``z row`` to `sums` and return ``dot(row, row, n)``, bit for bit, in one pass over the row."""
    cdef double s0 = 0.0, s1 = 0.0, s2 = 0.0, s3 = 0.0, a, b, c, d
    cdef Py_ssize_t i, whole = n - n % 4
    for i in range(0, whole, 4):
        a, b, c, d = row[i], row[i + 1], row[i + 2], row[i + 3]
        s0 += a * a
        s1 += b * b
        s2 += c * c
        s3 += d * d
        sums[i] += a * z
        sums[i + 1] += b * z
        sums[i + 2] += c * z
        sums[i + 3] += d * z
    for i in range(whole, n):
        a = row[i]
        s0 += a * a
        sums[i] += a * z
    return (s0 + s1) + (s2 + s3)
