"""Mapping of names to table rows, with a bound on the number of rows."""
from libc.stdint cimport uint64_t

from edgedescent.features._frequency_sketch cimport FrequencySketch

cdef enum:
    # More uses than that are not told apart.
    USES_MAX = 15

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
    # How many events used each row lately, at most USES_MAX.
    cdef unsigned char* uses
    cdef object uses_array
    # How often the names without a row came lately; they are counted while the table is full.
    cdef readonly FrequencySketch newcomers
    # Events since the last aging of `uses` in which a name that had come before was turned away, and the last of them.
    cdef readonly long long pressure
    cdef long long pressed_at
    # Heap of pairs (key, row) with the rows of least use: all whose key is at most `queue_limit`, apart from those that
    # event `set_aside_by` uses itself.
    cdef list queue
    cdef list set_aside
    cdef long long set_aside_by
    cdef long long queue_limit
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
    cdef bint came_before(self, uint64_t word) noexcept nogil
    cdef Py_ssize_t learn(self, str name, uint64_t word, long long now) except -1
    cdef Py_ssize_t _admit(self, uint64_t word, long long now) except -1
    cdef Py_ssize_t _least_used(self, long long now) except -1
    cdef bint _fill_queue(self, long long now) except -1

    # Inline, because it is called for each feature of each event.
    cdef inline void mark(self, Py_ssize_t row, long long now) noexcept nogil:
        """Mark a row as used in learning by event number `now`."""
        self.last_learned[row] = now
        self.uses[row] += self.uses[row] < USES_MAX

    cdef inline long long key(self, Py_ssize_t row) noexcept nogil:
        """Key by which rows are evicted, smallest first: the fewest uses lately, then the longest time without one."""
        return <long long>self.uses[row] << 56 | self.last_learned[row]

cdef int check_history(numbers, long long n_events) except -1
