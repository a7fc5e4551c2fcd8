"""Means of the earlier and the later values of a stream, from an exponential histogram of their sums."""

cdef enum:
    # Buckets of a size beside the one that makes them too many: those of ADWIN's default, so that its parts are those here.
    BUCKETS = 5
    HISTORY_ROWS = 40
    # Values that are added at once, at most.
    ADDED_MAX = 64

cdef struct Row:
    # Of each bucket, the oldest first: the sum of its values and the number of the event with the first of them.
    double n
    double sums[6]
    double firsts[6]

cdef struct History:
    double n_rows
    Row rows[40]

cdef struct Change:
    # Means of the values before and since, and the number of the first event since.
    double before
    double after
    double since

cdef void remember(History* history, const double* values, const double* numbers, Py_ssize_t n) noexcept nogil
cdef Change split(const History* history) noexcept nogil
cdef bint history_is_valid(const History* history) noexcept nogil
