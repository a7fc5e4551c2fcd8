"""From an event as it comes, a dict or a row of numbers, to rows of tables and plain values."""
from collections.abc import Mapping

from cpython.dict cimport PyDict_Next
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact
from cpython.list cimport PyList_GET_SIZE
from cpython.long cimport PyLong_CheckExact
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_CheckExact
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from edgedescent.numerics._numbers cimport EVENT_VALUES_MAX, check_text, is_plain, is_sane, plain_number, to_number, to_text
from edgedescent.features._hash cimport hash_text

from edgedescent.errors import TooDeepError, TooLargeError

cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    void* PyUnicode_DATA(object text)
    unicode PyUnicode_New(Py_ssize_t size, Py_UCS4 largest)


cdef enum:
    # No row, but a value whose conversion runs code.
    FLATTEN = -2
    # Events with more features than that are rare: the room for them is given back.
    ROOM_KEPT = 1024


cdef inline str feature_name(object key):
    """Names are strings; an integer, as River's generators give, is the same name as its decimal digits."""
    if isinstance(key, int) and not isinstance(key, bool):
        return str(key)
    return to_text("The name of a feature", key)


cdef inline str category_name(str feature, str text):
    """What a category is called: ``site=north``."""
    cdef Py_ssize_t n, m
    cdef str name
    cdef char* letters
    if not (PyUnicode_IS_COMPACT_ASCII(feature) and PyUnicode_IS_COMPACT_ASCII(text)):
        return f"{feature}={text}"
    # The same, in a third of the time: it is made for each category of each event.
    n, m = PyUnicode_GET_LENGTH(feature), PyUnicode_GET_LENGTH(text)
    name = PyUnicode_New(n + 1 + m, 127)
    letters = <char*>PyUnicode_DATA(name)
    memcpy(letters, PyUnicode_DATA(feature), n)
    letters[n] = b"="
    memcpy(letters + n + 1, PyUnicode_DATA(text), m)
    return name


cdef inline bint is_same(PyObject* known, PyObject* key) noexcept:
    """Whether two keys are the same name; where the objects differ, comparing them is still faster than looking up."""
    if known == key:
        return True
    return (known != NULL and PyUnicode_CheckExact(<object>known) and PyUnicode_CheckExact(<object>key)
            and <str>known == <str>key)


cdef dict as_event(object x):
    """The features of an event as the plain dict that can be walked without running Python code."""
    if type(x) is dict:
        return x
    if isinstance(x, Mapping):
        return dict(x)
    raise TypeError(f"The features x of an event must map names to numbers. Got {x!r:.80}.")


cdef class Encoder:
    """Reads events into scratch arrays; the vocabulary gives each feature a row from 1 on.

    Reading changes nothing but the scratch, so that an event can be refused half way.
    """

    def __cinit__(self):
        self.rows = NULL
        self.recent = NULL
        self.x = NULL

    def __dealloc__(self):
        free(self.rows)
        free(self.recent)
        free(self.x)

    def _set_up_reading(self, Py_ssize_t features_max, str when_full, categories, hash_bits):
        self.vocabulary = Vocabulary(features_max + 1, when_full)
        self.category_names = frozenset(categories)
        self.has_categories = len(self.category_names) > 0
        self.hash_mask = 0 if hash_bits is None else (<uint64_t>1 << <int>hash_bits) - 1
        self.unknown = []
        self.room_kept = ROOM_KEPT
        self._forget_recent()

    cdef int _make_more_room(self, Py_ssize_t n) except -1:
        """Whatever else an event of `n` features needs."""
        return 0

    cdef int _make_room(self, Py_ssize_t n) except -1:
        """Room in the scratch for an event of `n` features."""
        if n > EVENT_VALUES_MAX:
            raise TooLargeError(f"An event may have {EVENT_VALUES_MAX} features at most. Got {n}.")
        if self.room and n <= self.room and (self.room <= self.room_kept or n > self.room // 8):
            return 0
        n = min(max(n, 2 * self.room, 16), EVENT_VALUES_MAX) if n > self.room else max(n, self.room_kept)
        self.room = 0
        self._forget_recent()
        free(self.rows)
        free(self.recent)
        free(self.x)
        self.rows = <Py_ssize_t*>malloc(n * sizeof(Py_ssize_t))
        self.recent = <RowCache*>malloc(n * sizeof(RowCache))
        self.x = <double*>malloc(n * sizeof(double))
        if not (self.rows and self.recent and self.x):
            raise MemoryError(f"There is no memory for an event of {n} features.")
        self._make_more_room(n)
        self.room = n
        return 0

    cdef _forget_recent(self):
        self.recent_keys = []
        self.recent_values = []
        self.recent_version = self.vocabulary.version

    cdef void _forget_rows_that_went(self) noexcept:
        """Forget keys whose rows were given to other names since."""
        cdef Py_ssize_t place
        cdef RowCache* recent
        for place in range(PyList_GET_SIZE(self.recent_keys)):
            recent = &self.recent[place]
            if recent.born != self.vocabulary.born[recent.row]:
                recent.key = NULL
        self.recent_version = self.vocabulary.version

    cdef int _read_dict(self, dict features, bint learning) except -1:
        """Fill the scratch from a dict, with row 0 for names without one; returns how many values were unusable.

        The state stays as it is, so that an event can be refused half way; `_settle` then changes it.
        """
        cdef PyObject* key
        cdef PyObject* value
        cdef Py_ssize_t position = 0, place = 0, n = 0, row, n_recent
        cdef int skipped = 0
        cdef double number
        cdef Py_ssize_t* rows
        cdef double* x
        cdef RowCache* recent
        self._make_room(len(features))
        if self.recent_version != self.vocabulary.version:
            self._forget_rows_that_went()
        n_recent = PyList_GET_SIZE(self.recent_keys)
        rows, x, recent = self.rows, self.x, self.recent
        self.n_unknown = 0
        if self.unknown:
            self.unknown = []
        while PyDict_Next(features, &position, &key, &value):
            # The cases that matter: a number where the event before had one of the same name, or the same category.
            if place < n_recent and is_same(recent[place].key, key):
                row = recent[place].row
                if recent[place].value == NULL and PyFloat_CheckExact(<object>value):
                    number = PyFloat_AS_DOUBLE(<object>value)
                elif recent[place].value == NULL and PyLong_CheckExact(<object>value):
                    number = plain_number(<object>value)
                else:
                    number = 1.0 if recent[place].value == value else -1e100
                if is_sane(number):
                    rows[n] = row
                    x[n] = number
                    n += 1
                    place += 1
                    continue
            row = self._row_of(<object>key, <object>value, place, learning, &number)
            if row == FLATTEN:
                # Its conversion runs code that might change the dict, so read from a copy of plain values.
                return self._read_dict(self._flattened(features, ""), learning)
            n_recent = PyList_GET_SIZE(self.recent_keys)
            if is_sane(number):
                rows[n] = row
                x[n] = number
                n += 1
            elif <object>value is not None:
                skipped += 1
            place += 1
        self.n = n
        return skipped

    cdef Py_ssize_t _row_of(self, object key, object value, Py_ssize_t place, bint learning, double* number) except -1:
        """The row and the number of one feature; the `place`-th key of the event is remembered with its row."""
        cdef bint category = PyUnicode_CheckExact(value), named = self.has_categories and key in self.category_names
        cdef Py_ssize_t row = 0
        cdef str name
        if named and not category:
            category = self._is_category(key, value)
        if not category and not is_plain(value):
            return FLATTEN
        if category:
            number[0] = 1.0
            if PyUnicode_CheckExact(key) and PyUnicode_CheckExact(value) and self.hash_mask == 0:
                name = category_name(<str>key, <str>value)
                row = self.vocabulary.find(name)
                if row == 0:
                    # Whatever is known was checked when it became so.
                    check_text("The name of a feature", <str>key)
                    check_text("A category", <str>value)
            else:
                name = self._category_name(key, value)
                row = self.vocabulary.find(name)
        else:
            name = feature_name(key)
            number[0] = plain_number(value)
            row = self.vocabulary.find(name)
        if row == 0 and is_sane(number[0]):
            self.n_unknown += 1
            if learning:
                self.unknown.append((name, category))
        self._remember(place, key, value, row, category or named)
        return row

    cdef int _remember(self, Py_ssize_t place, object key, object value, Py_ssize_t row, bint by_value) except -1:
        """Note the row of the `place`-th key of the event; where it hangs on the value, under the value as well."""
        cdef RowCache* recent = &self.recent[place]
        # Only values that cannot change, as the same object must be the same category.
        cdef bint holds = row > 0 and (not by_value or type(value) is str or type(value) is int)
        recent.key = recent.value = NULL
        if place == PyList_GET_SIZE(self.recent_keys):
            self.recent_keys.append(key)
            self.recent_values.append(None)
        else:
            self.recent_keys[place] = key
        self.recent_values[place] = value if by_value and holds else None
        if holds:
            recent.key = <PyObject*>key
            recent.value = <PyObject*>value if by_value else NULL
        recent.row = row
        recent.born = self.vocabulary.born[row]
        return 0

    cdef bint _is_category(self, object key, object value) except -1:
        """Whether the value of a named category, that is no string, is one all the same."""
        if value is None:
            return False
        if isinstance(value, float):
            raise ValueError(f"The category {key!r:.80} must be a string or an integer. Got {value!r:.80}.")
        return isinstance(value, int)

    cdef str _category_name(self, object key, object value):
        cdef str feature = feature_name(key), text = to_text("A category", value if type(value) is str else str(value))
        cdef str name = category_name(feature, text)
        if self.hash_mask:
            return f"#{hash_text(name) & self.hash_mask}"
        return name

    def _flattened(self, features, str prefix):
        """A dict of plain values; nested dicts become names with a dot."""
        flat = {}
        for key, value in list(features.items()):
            name = prefix + feature_name(key)
            if isinstance(value, dict):
                if prefix.count(".") >= 16:
                    raise TooDeepError(f"The feature {name!r:.80} is nested more than 16 deep.")
                flat.update(self._flattened(value, name + "."))
            elif value is None or isinstance(value, (str, bool)) or name in self.category_names:
                flat[name] = str(value) if isinstance(value, str) else value
            else:
                flat[name] = to_number(f"The feature {name!r:.80}", value)
        return flat

    cdef Py_ssize_t _read_row(self, const double* row, const Py_ssize_t* rows, Py_ssize_t columns, list names,
                              bint learning) except -1:
        """Fill the scratch from a row of numbers as `_read_dict` does from a dict."""
        cdef Py_ssize_t j, n = 0, skipped = 0
        self.n_unknown = 0
        if self.unknown:
            self.unknown = []
        for j in range(columns):
            if is_sane(row[j]):
                self.rows[n] = rows[j]
                self.x[n] = row[j]
                n += 1
                if rows[j] == 0:
                    self.n_unknown += 1
                    if learning:
                        self.unknown.append((names[j], False))
            else:
                skipped += row[j] == row[j]
        self.n = n
        return skipped

    def _column_names(self, names, Py_ssize_t columns):
        names = [f"x{j}" for j in range(columns)] if names is None else list(names)
        names = [feature_name(name) for name in names]
        if len(names) != columns or len(set(names)) != columns:
            raise ValueError(f"`names` must be {columns} distinct names, one for each column. Got {names!r:.200}.")
        return names
