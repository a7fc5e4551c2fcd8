cdef class Vocabulary:
    cdef dict row_of
    cdef list key_of
    cdef readonly Py_ssize_t rows_max
    cdef Py_ssize_t rows_in_use
    cdef bint evicts
    cdef long long* stamp
    cdef object stamps
    # The event number at which each row was given to its key.
    cdef long long* born
    cdef object births
    cdef object oldest
    # The event for which every row turned out to be needed, so that none need be looked for again.
    cdef long long needed_by
    cdef readonly long long evicted
    cdef readonly long long shared
    # Goes up whenever a row changes hands, so that whoever remembers rows knows when to forget them.
    cdef readonly long long version
    # True where the row that `learn` just returned is new and must be cleared by whoever owns the tables.
    cdef bint is_new

    cdef Py_ssize_t size(self) noexcept nogil
    cdef Py_ssize_t find(self, object key) except -1
    cdef Py_ssize_t learn(self, object key, long long now) except -1

cdef int check_history(counts, stamps) except -1
