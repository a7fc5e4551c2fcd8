"""Means of what each user chose: how popular and how old the items were."""

cdef enum:
    HABITS = 5

cdef class UserHabits:
    cdef Py_ssize_t rows
    # Per user: number of choices, sums of the log popularity and of the log age of the items, a forgetting mean of the
    # former, and the number of the latest event.
    cdef double* numbers
    cdef object array

    cdef int make_room(self, Py_ssize_t rows) except -1
    cdef void clear(self, Py_ssize_t row) noexcept nogil
    cdef void add(self, Py_ssize_t row, double popularity, double age, long long now) noexcept nogil
