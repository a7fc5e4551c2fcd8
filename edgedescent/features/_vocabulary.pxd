"""Mapping of names to table rows, with a bound on the number of rows."""

cdef class Vocabulary:
    cdef dict row_of
    # The name of each row; None for row 0.
    cdef list name_of
    cdef readonly Py_ssize_t rows_max
    cdef Py_ssize_t rows_in_use
    cdef bint evicts
    # Number of the event that last used each row in learning, and of the event that assigned the row to its name. Code
    # that stores a row number compares the latter to find out whether the row still belongs to the same name.
    cdef long long* last_learned
    cdef long long* assigned_at
    cdef object last_learned_array
    cdef object assigned_at_array
    # Pairs (row, last_learned) of the rows to evict next; the last element is the next one.
    cdef list eviction_queue
    # Number of an event that uses all rows itself, so that further evictions for it fail without a search.
    cdef long long needed_by
    cdef readonly long long evicted
    cdef readonly long long shared
    # Incremented when a row is assigned to another name; a cache of rows with a different version is stale.
    cdef readonly long long version
    # True if the row from the last call of `learn` is new: the caller must clear it in the tables.
    cdef bint is_new

    cdef Py_ssize_t size(self) noexcept nogil
    cdef Py_ssize_t find(self, object name) except -1
    cdef Py_ssize_t learn(self, object name, long long now) except -1

cdef int check_history(numbers, long long n_events) except -1
