"""Names and the rows of tables that are assigned to them."""

cdef class Vocabulary:
    cdef dict row_of
    # The name of each row; None for row 0.
    cdef list name_of
    cdef readonly Py_ssize_t rows_max
    cdef Py_ssize_t rows_in_use
    cdef bint evicts
    # The number of the event that a row was last learned from, and of the event at which it was assigned to its name:
    # whoever keeps a row for later tells by it whether the row still belongs to the same name.
    cdef long long* last_learned
    cdef long long* assigned_at
    cdef object last_learned_array
    cdef object assigned_at_array
    # The rows to evict next, with the event that each was last learned from, the next one at the end.
    cdef list eviction_queue
    # The event that turned out to need every row itself: none need be looked for again.
    cdef long long needed_by
    cdef readonly long long evicted
    cdef readonly long long shared
    # Goes up whenever a row is assigned to another name: a cache of rows is stale where it differs.
    cdef readonly long long version
    # True if the row that `learn` just returned is new: its owner must clear the tables there.
    cdef bint is_new

    cdef Py_ssize_t size(self) noexcept nogil
    cdef Py_ssize_t find(self, object name) except -1
    cdef Py_ssize_t learn(self, object name, long long now) except -1

cdef int check_history(numbers, long long n_events) except -1
