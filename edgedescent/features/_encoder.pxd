from cpython.object cimport PyObject
from libc.stdint cimport uint64_t

from edgedescent.features._vocabulary cimport Vocabulary

# Where the i-th key of an event equals the i-th key of the one before, so does its row, unless that was given to another
# name since. `key` is NULL where nothing is remembered. Of a category, `value` is the object that had the row; else NULL.
cdef struct RowCache:
    PyObject* key
    PyObject* value
    Py_ssize_t row
    long long born

cdef dict as_event(object x)

cdef class Encoder:
    cdef readonly Vocabulary vocabulary
    cdef uint64_t hash_mask
    cdef frozenset category_names
    cdef bint has_categories
    # The event at hand. None of this is state: every call fills it anew.
    cdef Py_ssize_t room
    cdef Py_ssize_t room_kept
    cdef Py_ssize_t* rows
    cdef double* x
    cdef Py_ssize_t n
    # The names of the event at hand that have no row, in the order of their zeros in `rows`, and which are categories.
    cdef list unknown
    # How many values of the event at hand belong to such names.
    cdef Py_ssize_t n_unknown
    # What was found for the keys of the event before; the lists keep them and their values alive.
    cdef RowCache* recent
    cdef list recent_keys
    cdef list recent_values
    # The vocabulary's version for which they hold.
    cdef long long recent_version

    cdef int _make_room(self, Py_ssize_t n) except -1
    cdef int _make_more_room(self, Py_ssize_t n) except -1
    cdef _forget_recent(self)
    cdef void _forget_rows_that_went(self) noexcept
    cdef int _read_dict(self, dict features, bint learning) except -1
    cdef Py_ssize_t _row_of(self, object key, object value, Py_ssize_t place, bint learning, double* number) except -1
    cdef int _remember(self, Py_ssize_t place, object key, object value, Py_ssize_t row, bint by_value) except -1
    cdef Py_ssize_t _read_row(self, const double* row, const Py_ssize_t* rows, Py_ssize_t columns, list names,
                              bint learning) except -1
    cdef bint _is_category(self, object key, object value) except -1
    cdef str _category_name(self, object key, object value)
