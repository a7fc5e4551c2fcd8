"""The encoder: an event of named features as rows of tables and standardized values."""
from cpython.object cimport PyObject
from cython cimport final
from libc.stdint cimport uint64_t

from edgedescent.features._category_watch cimport CategoryWatch
from edgedescent.features._kinds cimport CATEGORICAL, INDICATOR
from edgedescent.features._scaler cimport Scaler
from edgedescent.features._vocabulary cimport Vocabulary

# What was found for one key of the event before. Where the i-th key of an event equals the i-th key of the one before,
# its row is the same too, unless that row was assigned to another name since.
cdef struct CachedRow:
    # NULL where nothing is cached.
    PyObject* key
    # The object that has this row as a category; NULL where the row does not depend on the value.
    PyObject* value
    Py_ssize_t row
    long long assigned_at

# Features of one kind whose rows lie side by side: one loop serves them all, which the compiler can vectorize.
cdef struct Run:
    Py_ssize_t row
    # The place of the first in the event.
    Py_ssize_t start
    Py_ssize_t length
    int kind

# One event as the arithmetic takes it. It is scratch, not state: reading an event overwrites it.
cdef struct EncodedEvent:
    Py_ssize_t n
    Py_ssize_t n_runs
    Py_ssize_t* rows
    # The values as they came.
    double* x
    # The standardized values; 1 for a category.
    double* z
    Run* runs

cdef dict as_event(object x)
cdef int allocate_event(EncodedEvent* event, Py_ssize_t n) except -1
cdef void free_event(EncodedEvent* event) noexcept

@final
cdef class Encoder:
    cdef readonly Vocabulary vocabulary
    cdef readonly Scaler scaler
    cdef readonly long long n_events
    cdef readonly long long n_skipped_values
    cdef uint64_t hash_mask
    cdef frozenset category_names
    cdef bint has_categories
    # Whether texts such as "49,31" are numbers.
    cdef bint decimal_comma
    # Which features have categories that never come again.
    cdef readonly CategoryWatch watch
    # Kind of each row, and whether one has changed, so that the runs of the event before no longer hold.
    cdef char* kinds
    cdef object kinds_array
    cdef bint kinds_changed

    # The event at hand, and how many features the scratch has room for.
    cdef EncodedEvent event
    cdef Py_ssize_t room
    # Room for so many features is never given back.
    cdef Py_ssize_t room_kept
    # How many usable values the event came with, and how many that were not.
    cdef Py_ssize_t n_read
    cdef Py_ssize_t n_skipped
    # How many of the values have no row yet: row 0 stands for it. When learning, their names, whether each is a
    # category, and the feature whose categories are watched or None, in the order in which they came.
    cdef Py_ssize_t n_unknown
    cdef list unknown
    # Whether the runs of the event before are those of the event at hand.
    cdef bint same_runs
    # The part of the event at hand that had rows before it.
    cdef EncodedEvent known
    cdef Py_ssize_t known_room
    # The rows that `settle` assigned to new names, and the hashes of these.
    cdef Py_ssize_t n_new
    cdef Py_ssize_t* new_rows
    cdef uint64_t* new_hashes
    cdef Py_ssize_t new_room

    cdef CachedRow* cache
    # They keep the cached objects alive.
    cdef list cached_keys
    cdef list cached_values
    # The vocabulary's version for which the cache holds.
    cdef long long cache_version

    cdef int make_room(self, Py_ssize_t n) except -1
    cdef int begin_event(self, Py_ssize_t n) except -1
    cdef int read_dict(self, dict features, bint learning) except -1
    cdef int read_row(self, const double* row, const Py_ssize_t* rows, Py_ssize_t columns, list names,
                      bint learning) except -1
    cdef int cache_row(self, Py_ssize_t place, object key, object value, Py_ssize_t row, bint by_value) except -1
    cdef int reserve_rows(self) except -1
    cdef int settle(self, bint learning) except -1
    cdef EncodedEvent* known_part(self) except NULL
    cdef void find_runs(self, EncodedEvent* event) noexcept nogil
    cdef void _find_indicators(self) noexcept nogil

    cdef _clear_cache(self)
    cdef void _drop_reassigned_rows(self) noexcept
    cdef Py_ssize_t _row_of(self, object key, object value, Py_ssize_t place, bint learning, double* number) except -1
    cdef bint _is_category(self, object key, object value) except -1
    cdef str _category_name(self, object key, object value)
    cdef void _mark_learned(self) noexcept nogil
    cdef int _assign_rows(self) except -1
    cdef int _grow_rows(self, Py_ssize_t rows) except -1
    cdef int _make_room_for_new(self, Py_ssize_t n) except -1

    # Inline, so that the step from an event to its arithmetic costs no call.
    cdef inline void standardize(self, EncodedEvent* event) noexcept nogil:
        """Fill the standardized values of an event from its values."""
        cdef Py_ssize_t r, i
        cdef Run run
        for r in range(event.n_runs):
            run = event.runs[r]
            if run.kind == CATEGORICAL:
                for i in range(run.start, run.start + run.length):
                    event.z[i] = 1.0
            elif run.kind == INDICATOR:
                self.scaler.relate(event.x + run.start, event.z + run.start, run.row, run.length)
            else:
                self.scaler.standardize(event.x + run.start, event.z + run.start, run.row, run.length)

    cdef inline void update(self) noexcept nogil:
        """Let the statistics take in the event at hand."""
        cdef EncodedEvent* event = &self.event
        cdef bint constant = False
        cdef Py_ssize_t r
        cdef Run run
        for r in range(event.n_runs):
            run = event.runs[r]
            if run.kind != CATEGORICAL:
                constant |= self.scaler.update(event.x + run.start, run.row, run.length) or run.kind == INDICATOR
        if constant:
            self._find_indicators()
        self.n_skipped_values += self.n_skipped
