"""Bounded lists of the items that were chosen together with each item."""

cdef enum:
    # An entry packs the row of the neighbour into the lowest 24 bits, and the event that added it above.
    ROW_BITS = 24
    ROW_MASK = (1 << 24) - 1

cdef class PairTable:
    cdef readonly Py_ssize_t depth
    cdef readonly Py_ssize_t n_horizons
    cdef readonly str name
    cdef Py_ssize_t rows
    cdef Py_ssize_t rows_max
    cdef long long* entries
    # Per entry and per row, one number for each horizon, in units of `units`.
    cdef float* weights
    cdef float* totals
    cdef double* units
    cdef double* growths
    cdef list arrays
    cdef object units_array
    cdef object growths_array

    cdef int make_room(self, Py_ssize_t rows) except -1
    cdef void clear(self, Py_ssize_t row) noexcept nogil
    cdef void tick(self) noexcept nogil
    cdef void count(self, Py_ssize_t row, double weight) noexcept nogil
    cdef void add(self, Py_ssize_t row, Py_ssize_t other, double weight, long long now,
                  const long long* assigned_at) noexcept nogil

    cdef inline Py_ssize_t neighbour(self, Py_ssize_t at, const long long* assigned_at) noexcept nogil:
        """Return the row of an entry; 0 if there is none, or the row was assigned to another item later."""
        cdef long long entry = self.entries[at]
        return entry & ROW_MASK if assigned_at[entry & ROW_MASK] <= entry >> ROW_BITS else 0
