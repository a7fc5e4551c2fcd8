"""The encoder of events: names to rows of tables, numbers to standardized values."""
from collections.abc import Mapping

import numpy as np

from cpython.dict cimport PyDict_Next
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact
from cpython.list cimport PyList_GET_SIZE
from cpython.long cimport PyLong_CheckExact
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_CheckExact
from libc.math cimport fabs
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from edgedescent.features._category_watch cimport CategoryWatch
from edgedescent.features._hash cimport hash_text
from edgedescent.features._kinds cimport CATEGORICAL, INDICATOR, NUMERIC
from edgedescent.features._names cimport row_name
from edgedescent.features._text cimport CATEGORY, MISSING, begins_category, text_kind
from edgedescent.features._vocabulary cimport USES_MAX
from edgedescent.numerics._numbers cimport EVENT_VALUES_MAX, check_text, is_plain, is_sane, plain_number, to_number, to_text

from edgedescent.dataframes import read_row as read_series_row
from edgedescent.errors import TooDeepError, TooLargeError
from edgedescent.numerics.growth import grown

cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    void* PyUnicode_DATA(object text)
    unicode PyUnicode_New(Py_ssize_t size, Py_UCS4 largest)


cdef enum:
    # In place of a row: the value must be converted by Python code first.
    FLATTEN = -2
    # In place of a row: the value is a text that stands for none.
    NO_VALUE = -3
    # Events with more features than that are rare: their memory is given back.
    ROOM_KEPT = 1024
    # Rows of a new encoder.
    ROWS_FIRST = 16
    NESTING_MAX = 16
    LIST_MAX = 1024

# Magnitude from which on the value of an indicator can be divided by, and the quotient squared.
cdef double LEAST = 1e-100


cdef inline str feature_name(object key):
    """Name of a feature; an integer, as River's generators give, is the same name as its decimal digits."""
    if isinstance(key, int) and not isinstance(key, bool):
        return str(key)
    return to_text("The name of a feature", key)


cdef inline str category_name(str feature, str text):
    """Name of a category, such as ``site=north``."""
    cdef Py_ssize_t n, m
    cdef str name
    cdef char* letters
    cdef const char* source
    cdef Py_ssize_t i
    cdef bint escapes = False
    if not (PyUnicode_IS_COMPACT_ASCII(feature) and PyUnicode_IS_COMPACT_ASCII(text)):
        return f"{row_name(feature)}={text}"
    # The same, in a third of the time: it is made for each category of each event.
    n, m = PyUnicode_GET_LENGTH(feature), PyUnicode_GET_LENGTH(text)
    name = PyUnicode_New(n + 1 + m, 127)
    letters = <char*>PyUnicode_DATA(name)
    source = <const char*>PyUnicode_DATA(feature)
    for i in range(n):
        letters[i] = source[i]
        escapes |= source[i] == b"=" or source[i] == b"\\" or source[i] == b"#"
    if escapes:
        return f"{row_name(feature)}={text}"
    letters[n] = b"="
    memcpy(letters + n + 1, PyUnicode_DATA(text), m)
    return name


cdef inline bint is_same(PyObject* cached, PyObject* key) noexcept:
    """True if two keys are the same name. Comparing two strings is still faster than looking one up."""
    if cached == key:
        return True
    return (cached != NULL and PyUnicode_CheckExact(<object>cached) and PyUnicode_CheckExact(<object>key)
            and <str>cached == <str>key)


cdef dict as_event(object x):
    """The features of an event as a plain dict, which can be walked without running Python code."""
    if type(x) is dict:
        return x
    if isinstance(x, Mapping):
        return dict(x)
    if hasattr(x, "to_dict"):
        return read_series_row(x)
    raise TypeError(f"The features x of an event must map names to numbers. Got {x!r:.80}.")


cdef int allocate_event(EncodedEvent* event, Py_ssize_t n) except -1:
    """Replace the arrays of an event by empty ones for `n` features."""
    free_event(event)
    event.rows = <Py_ssize_t*>malloc(n * sizeof(Py_ssize_t))
    event.x = <double*>malloc(n * sizeof(double))
    event.z = <double*>malloc(n * sizeof(double))
    event.runs = <Run*>malloc(n * sizeof(Run))
    if not (event.rows and event.x and event.z and event.runs):
        raise MemoryError(f"There is no memory for an event of {n} features.")
    return 0


cdef void free_event(EncodedEvent* event) noexcept:
    free(event.rows)
    free(event.x)
    free(event.z)
    free(event.runs)
    event.rows = NULL
    event.x = event.z = NULL
    event.runs = NULL
    event.n = event.n_runs = 0


cdef class Encoder:
    """Turns events of named features into rows of tables and standardized values.

    Reading an event fills scratch arrays and leaves the state alone, so that an event can be refused half way. To
    learn it, `settle` gives new names their rows, and `update` lets the statistics take it in. Row 0 of a table belongs
    to the intercept; the vocabulary gives each feature and each value of a category a row from 1 on.

    Several models may share an encoder: see `edgedescent.learners._feature_learner`.
    """

    def __init__(self, *, double clip, double forgetting, Py_ssize_t features_max, str when_full, categories=(),
                 hash_bits=None, bint decimal_comma=False):
        self.vocabulary = Vocabulary(features_max + 1, when_full)
        self.scaler = Scaler(clip, forgetting, ROWS_FIRST)
        self.category_names = frozenset(categories)
        self.has_categories = len(self.category_names) > 0
        self.decimal_comma = decimal_comma
        self.watch = CategoryWatch(features_max)
        self.hash_mask = 0 if hash_bits is None else (<uint64_t>1 << <int>hash_bits) - 1
        self.n_events = self.n_skipped_values = 0
        self._set_kinds(np.zeros(ROWS_FIRST, dtype=np.int8))
        self.unknown = []
        self.room_kept = ROOM_KEPT
        self._clear_cache()
        self.make_room(0)

    def __dealloc__(self):
        free_event(&self.event)
        free_event(&self.known)
        free(self.cache)
        free(self.new_rows)
        free(self.new_hashes)

    def _set_kinds(self, array):
        cdef char[::1] view = array
        self.kinds_array = array
        self.kinds = &view[0]

    # --- Reading --------------------------------------------------------------------------------------------------

    cdef int make_room(self, Py_ssize_t n) except -1:
        """Make the scratch large enough for an event of `n` features."""
        if n > EVENT_VALUES_MAX:
            raise TooLargeError(f"An event may have {EVENT_VALUES_MAX} features at most. Got {n}.")
        if self.room and n <= self.room and (self.room <= self.room_kept or n > self.room // 8):
            return 0
        n = min(max(n, 2 * self.room, 16), EVENT_VALUES_MAX) if n > self.room else max(n, self.room_kept)
        self.room = 0
        self._clear_cache()
        free(self.cache)
        self.cache = <CachedRow*>malloc(n * sizeof(CachedRow))
        if self.cache == NULL:
            raise MemoryError(f"There is no memory for an event of {n} features.")
        allocate_event(&self.event, n)
        # Made again when they are needed.
        free_event(&self.known)
        free(self.new_rows)
        free(self.new_hashes)
        self.new_rows = NULL
        self.new_hashes = NULL
        self.known_room = self.new_room = 0
        self.room = n
        return 0

    cdef int begin_event(self, Py_ssize_t n) except -1:
        """Prepare the scratch for an event of `n` features; whoever reads it fills `event` from its first place on."""
        self.make_room(n)
        self.event.n = self.n_unknown = self.n_skipped = 0
        self.same_runs = False
        if self.unknown:
            self.unknown = []
        return 0

    cdef _clear_cache(self):
        self.cached_keys = []
        self.cached_values = []
        self.cache_version = self.vocabulary.version

    cdef void _drop_reassigned_rows(self) noexcept:
        """Drop the cached rows that were assigned to other names since."""
        cdef Py_ssize_t place
        cdef CachedRow* cached
        for place in range(PyList_GET_SIZE(self.cached_keys)):
            cached = &self.cache[place]
            if cached.assigned_at != self.vocabulary.assigned_at[cached.row]:
                cached.key = NULL
        self.cache_version = self.vocabulary.version

    cdef int read_dict(self, dict features, bint learning) except -1:
        """Fill the event from a dict; with `learning`, note the names that have no row yet."""
        cdef PyObject* key
        cdef PyObject* value
        cdef Py_ssize_t position = 0, place = 0, n = 0, row, n_cached
        cdef double number
        cdef Py_ssize_t* rows
        cdef double* x
        cdef CachedRow* cache
        self.begin_event(len(features))
        if self.cache_version != self.vocabulary.version:
            self._drop_reassigned_rows()
        n_cached = PyList_GET_SIZE(self.cached_keys)
        rows, x, cache = self.event.rows, self.event.x, self.cache
        while PyDict_Next(features, &position, &key, &value):
            # The cases that matter: a number where the event before had one of the same name, or the same category.
            if place < n_cached and is_same(cache[place].key, key):
                row = cache[place].row
                if cache[place].value == NULL and PyFloat_CheckExact(<object>value):
                    number = PyFloat_AS_DOUBLE(<object>value)
                elif cache[place].value == NULL and PyLong_CheckExact(<object>value):
                    number = plain_number(<object>value)
                else:
                    number = 1.0 if cache[place].value == value else -1e100
                if is_sane(number):
                    rows[n] = row
                    x[n] = number
                    n += 1
                    place += 1
                    continue
            row = self._row_of(<object>key, <object>value, place, learning, &number)
            if row == FLATTEN:
                # Its conversion runs code that might change the dict, so read from a copy of plain values.
                return self.read_dict(self._flattened(features, ""), learning)
            n_cached = PyList_GET_SIZE(self.cached_keys)
            if row == NO_VALUE:
                pass
            elif is_sane(number):
                rows[n] = row
                x[n] = number
                n += 1
            elif <object>value is not None:
                self.n_skipped += 1
            place += 1
        self.event.n = n
        return 0

    cdef Py_ssize_t _row_of(self, object key, object value, Py_ssize_t place, bint learning, double* number) except -1:
        """The row and the number of one feature; the row is cached for the `place`-th key of the next event."""
        cdef bint category = PyUnicode_CheckExact(value), named = self.has_categories and key in self.category_names
        cdef bint is_number = False
        cdef Py_ssize_t row = 0
        cdef str name
        cdef int kind
        if category and not named and not begins_category(<str>value):
            kind = text_kind(<str>value, self.decimal_comma, number)
            if kind == MISSING:
                self.cache_row(place, key, value, 0, True)
                return NO_VALUE
            is_number = kind != CATEGORY
            category = not is_number
        elif not category and named:
            category = self._is_category(key, value)
        if not category and not is_number and not is_plain(value):
            return FLATTEN
        if category:
            number[0] = 1.0
            if PyUnicode_CheckExact(key) and PyUnicode_CheckExact(value) and self.hash_mask == 0:
                name = category_name(<str>key, <str>value)
                row = self.vocabulary.find(name)
                if row == 0:
                    # A known name was checked when it got its row.
                    check_text("The name of a feature", <str>key)
                    check_text("A category", <str>value)
            else:
                name = self._category_name(key, value)
                row = self.vocabulary.find(name)
        else:
            name = row_name(feature_name(key))
            if not is_number:
                number[0] = plain_number(value)
            row = self.vocabulary.find(name)
        if row == 0 and is_sane(number[0]):
            self.n_unknown += 1
            if learning:
                # The categories that a learner was told of may come once each, and those of a hash share their rows.
                watched = row_name(feature_name(key)) if category and not named and self.hash_mask == 0 else None
                self.unknown.append((name, category, watched))
        self.cache_row(place, key, value, row, category or named)
        return row

    cdef int cache_row(self, Py_ssize_t place, object key, object value, Py_ssize_t row, bint by_value) except -1:
        """Cache the row of the event's `place`-th key; with `by_value`, for this value only."""
        cdef CachedRow* cached = &self.cache[place]
        # Only values that cannot change, as the same object must be the same category.
        cdef bint holds = row > 0 and (not by_value or type(value) is str or type(value) is int)
        cached.key = cached.value = NULL
        if place == PyList_GET_SIZE(self.cached_keys):
            self.cached_keys.append(key)
            self.cached_values.append(None)
        else:
            self.cached_keys[place] = key
        self.cached_values[place] = value if by_value and holds else None
        if holds:
            cached.key = <PyObject*>key
            cached.value = <PyObject*>value if by_value else NULL
        cached.row = row
        cached.assigned_at = self.vocabulary.assigned_at[row]
        return 0

    cdef bint _is_category(self, object key, object value) except -1:
        """True if a value that is no string, of a feature in `categories`, is a category."""
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
        """A dict of plain values; nested dicts and lists become names with a dot."""
        flat = {}
        for key, value in list(features.items()):
            name = prefix + feature_name(key)
            if isinstance(value, (list, tuple)):
                if len(value) > LIST_MAX:
                    raise TooLargeError(
                        f"The list {name!r:.80} may have {LIST_MAX} values at most. Got {len(value)} values.")
                value = dict(enumerate(value))
            if isinstance(value, dict):
                if prefix.count(".") >= NESTING_MAX:
                    raise TooDeepError(f"The feature {name!r:.80} is nested more than {NESTING_MAX} deep.")
                flat.update(self._flattened(value, name + "."))
            elif value is None or isinstance(value, (str, bool)) or name in self.category_names:
                flat[name] = str(value) if isinstance(value, str) else value
            else:
                flat[name] = to_number(f"The feature {name!r:.80}", value)
        return flat

    cdef int read_row(self, const double* row, const Py_ssize_t* rows, Py_ssize_t columns, list names,
                      bint learning) except -1:
        """Fill the event from a row of numbers as `read_dict` does from a dict."""
        cdef Py_ssize_t j, n = 0
        cdef Py_ssize_t* event_rows
        cdef double* x
        self.begin_event(columns)
        event_rows, x = self.event.rows, self.event.x
        for j in range(columns):
            if is_sane(row[j]):
                event_rows[n] = rows[j]
                x[n] = row[j]
                n += 1
                if rows[j] == 0:
                    self.n_unknown += 1
                    if learning:
                        self.unknown.append((names[j], False, None))
            else:
                self.n_skipped += 1
        self.event.n = n
        return 0

    def column_names(self, names, Py_ssize_t columns):
        """The names of so many columns: `names` once checked, or ``x0``, ``x1``, … where that is None."""
        names = [f"x{j}" for j in range(columns)] if names is None else list(names)
        names = [feature_name(name) for name in names]
        if len(names) != columns or len(set(names)) != columns:
            raise ValueError(f"`names` must be {columns} distinct names, one for each column. Got {names!r:.200}.")
        return names

    def encoded(self, x):
        """The rows of the features of an event that are known, and its standardized values; the state stays."""
        self.read_dict(as_event(x), False)
        self.settle(False)
        self.standardize(&self.event)
        rows, z = np.empty(self.event.n, dtype=np.intp), np.empty(self.event.n)
        for i in range(self.event.n):
            rows[i], z[i] = self.event.rows[i], self.event.z[i]
        return rows, z

    # --- From names to rows ---------------------------------------------------------------------------------------

    cdef int reserve_rows(self) except -1:
        """Make room for the new names of the event, before any of them is registered.

        Running out of memory then leaves no name without a row.
        """
        cdef Py_ssize_t needed, rows_max = self.vocabulary.rows_max
        if not self.unknown:
            return 0
        needed = min(self.vocabulary.size() + PyList_GET_SIZE(self.unknown), rows_max)
        if needed > self.scaler.rows:
            self._grow_rows(grown(self.scaler.rows, needed, rows_max))
        return 0

    cdef int _grow_rows(self, Py_ssize_t rows) except -1:
        larger = np.zeros(rows, dtype=np.int8)
        larger[: len(self.kinds_array)] = self.kinds_array
        self.scaler.grow(rows)
        self._set_kinds(larger)
        return 0

    cdef int settle(self, bint learning) except -1:
        """Fix the rows of the event that was read.

        With `learning`, the rows are marked as learned and new names get rows: those in `new_rows`. What has no row
        after that is dropped from the event.
        """
        cdef Py_ssize_t i, n = 0
        cdef EncodedEvent* event = &self.event
        self.n_new = 0
        self.n_read = event.n
        if not self.same_runs or self.kinds_changed:
            self.find_runs(event)
            self.kinds_changed = False
        if learning:
            # Before any name gets a row, so that no feature of this event has to give up its own.
            self._mark_learned()
            if self.unknown:
                self._assign_rows()
        if self.n_unknown:
            for i in range(event.n):
                if event.rows[i]:
                    event.rows[n] = event.rows[i]
                    event.x[n] = event.x[i]
                    n += 1
            event.n = n
            self.find_runs(event)
        return 0

    cdef void _find_indicators(self) noexcept nogil:
        """Make indicators of the event's numbers that had a single value and were absent at times, and numbers of the others.

        Otherwise, the only value of such a feature is its mean, for which an absent feature counts too.
        """
        cdef Py_ssize_t i, row
        cdef long long n_since
        cdef int kind
        for i in range(self.event.n):
            row = self.event.rows[i]
            if self.kinds[row] == CATEGORICAL:
                continue
            # Number of events since the row was assigned to its name, with this one.
            n_since = self.n_events - self.vocabulary.assigned_at[row] + 1
            kind = NUMERIC
            if (self.scaler.variance[row] == 0.0 and fabs(self.scaler.mean[row]) >= LEAST
                    and 1.0 < self.scaler.count[row] < <double>n_since):
                kind = INDICATOR
            self.kinds_changed |= self.kinds[row] != kind
            self.kinds[row] = kind

    cdef void _mark_learned(self) noexcept nogil:
        # As `Vocabulary.mark` does; the pointers are read once, and the rows of a run lie side by side.
        cdef long long* last_learned = self.vocabulary.last_learned
        cdef unsigned char* uses = self.vocabulary.uses
        cdef long long now = self.n_events
        cdef Py_ssize_t r, row, end
        for r in range(self.event.n_runs):
            end = self.event.runs[r].row + self.event.runs[r].length
            for row in range(self.event.runs[r].row, end):
                last_learned[row] = now
            for row in range(self.event.runs[r].row, end):
                uses[row] += uses[row] < USES_MAX

    cdef int _assign_rows(self) except -1:
        """Give rows to the new names of the event, where there are any left."""
        cdef Py_ssize_t i, j = 0, row
        cdef tuple newcomer
        cdef str name
        cdef uint64_t word
        if PyList_GET_SIZE(self.unknown) > self.new_room:
            self._make_room_for_new(2 * PyList_GET_SIZE(self.unknown))
        for i in range(self.event.n):
            if self.event.rows[i]:
                continue
            newcomer = self.unknown[j]
            name = newcomer[0]
            word = hash_text(name)
            j += 1
            if newcomer[2] is not None and not self.watch.admits(
                    newcomer[2], self.vocabulary.came_before(word), self.vocabulary, self.kinds, self.n_events):
                continue
            row = self.vocabulary.learn(name, word, self.n_events)
            self.event.rows[i] = row
            if self.vocabulary.is_new:
                self.scaler.clear_row(row)
                self.kinds[row] = CATEGORICAL if newcomer[1] else NUMERIC
                self.new_rows[self.n_new] = row
                self.new_hashes[self.n_new] = word
                self.n_new += 1
        return 0

    cdef int _make_room_for_new(self, Py_ssize_t n) except -1:
        free(self.new_rows)
        free(self.new_hashes)
        self.new_rows = NULL
        self.new_hashes = NULL
        self.new_room = 0
        self.new_rows = <Py_ssize_t*>malloc(n * sizeof(Py_ssize_t))
        self.new_hashes = <uint64_t*>malloc(n * sizeof(uint64_t))
        if not (self.new_rows and self.new_hashes):
            raise MemoryError(f"There is no memory for an event of {n} new features.")
        self.new_room = n
        return 0

    cdef EncodedEvent* known_part(self) except NULL:
        """The features of the event that have rows, standardized; the event itself stays as it is."""
        cdef EncodedEvent* known = &self.known
        cdef Py_ssize_t i, n = 0
        if self.known_room != self.room:
            self.known_room = 0
            allocate_event(known, self.room)
            self.known_room = self.room
        for i in range(self.event.n):
            if self.event.rows[i]:
                known.rows[n] = self.event.rows[i]
                known.x[n] = self.event.x[i]
                n += 1
        known.n = n
        self.find_runs(known)
        self.standardize(known)
        return known

    cdef void find_runs(self, EncodedEvent* event) noexcept nogil:
        """Group the features of one kind whose rows lie side by side."""
        cdef const Py_ssize_t* rows = event.rows
        cdef const char* kinds = self.kinds
        cdef Run* runs = event.runs
        cdef Py_ssize_t start = 0, end, n_runs = 0, n = event.n
        while start < n:
            end = start + 1
            while end < n and rows[end] == rows[end - 1] + 1 and kinds[rows[end]] == kinds[rows[start]]:
                end += 1
            runs[n_runs] = Run(rows[start], start, end - start, kinds[rows[start]])
            n_runs += 1
            start = end
        event.n_runs = n_runs

    # --- State ----------------------------------------------------------------------------------------------------

    def save(self):
        """The names, their history and the statistics, by the names that they have in a learner's state."""
        cdef Py_ssize_t rows = self.vocabulary.size()
        known = self.vocabulary.save()
        return {
            "features": known.pop("names"),
            **known,
            "kinds": self.kinds_array[:rows].astype(np.int64),
            "inputs": self.scaler.save(rows),
            **self.watch.save(),
        }

    def restore(self, dict state, long long n_events, long long n_skipped_values, long long evicted, long long shared):
        """Take what `save` returned, and the counts; raises ValueError where it is inconsistent."""
        features = state["features"]
        cdef Py_ssize_t rows = len(features) + 1
        if not rows == len(state["inputs"][0]) == len(state["kinds"]):
            raise ValueError(f"The state has {len(features)} features but {len(state['inputs'][0])} moments.")
        self.watch.restore(state["watched"], state["watch"], state["left_out"], n_events)
        kinds, (_, mean, variance) = state["kinds"], state["inputs"][:3]
        if not np.isin(kinds, (NUMERIC, CATEGORICAL, INDICATOR)).all():
            raise ValueError(f"The state's `kinds` must be {NUMERIC}, {CATEGORICAL} or {INDICATOR}.")
        if len(mean) == len(variance) == rows and (
                (kinds == INDICATOR) & ((np.abs(mean) < LEAST) | (variance != 0.0))).any():
            raise ValueError("An indicator in the state must have a single value, which is not 0.")
        self.vocabulary.restore({**state, "names": features}, n_events, evicted, shared)
        if rows > self.scaler.rows:
            self._grow_rows(rows)
        self.scaler.restore(state["inputs"])
        self.kinds_array[:] = 0
        self.kinds_array[:rows] = kinds
        self.kinds_changed = True
        self._clear_cache()
        self.n_events, self.n_skipped_values = n_events, n_skipped_values
