"""Lines of JSON to learned events; the plain ones among them without making Python objects."""
import numpy as np

from cpython.list cimport PyList_GET_SIZE
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_CheckExact
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memchr, memcmp

from edgedescent.learners._feature_learner cimport CompiledFeatureLearner
from edgedescent.numerics._numbers cimport is_sane
from edgedescent.features._encoder cimport CachedRow, Encoder

cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    const char* PyUnicode_1BYTE_DATA(object text)
    double PyOS_string_to_double(const char* text, char** end, void* overflow) except? -1.0

cdef enum:
    # So many decimal digits always fit 64 bits.
    DIGITS_MAX = 19
    # The digit 0.
    ZERO = 48

# Powers of ten that a double holds exactly.
cdef double[23] TENS
for _i in range(23):
    TENS[_i] = float(10**_i)


cdef const char* blank(const char* at, const char* end) noexcept nogil:
    """Past white space, as JSON has it."""
    while at < end and (at[0] == b" " or at[0] == b"\t" or at[0] == b"\r" or at[0] == b"\n"):
        at += 1
    return at


cdef inline const char* after_text(const char* at, const char* end) noexcept nogil:
    """Past the closing quote of a string whose opening quote is behind; NULL where it is not plain ASCII."""
    while at < end and at[0] != b'"':
        # Control characters, other alphabets and escapes are left to a whole JSON decoder.
        if at[0] < 32 or at[0] > 126 or at[0] == b"\\":
            return NULL
        at += 1
    return at + 1 if at < end else NULL


cdef inline const char* after_word(const char* at, const char* end, const char* word) noexcept nogil:
    """Past a word, or NULL where another one stands."""
    while word[0]:
        if at == end or at[0] != word[0]:
            return NULL
        at += 1
        word += 1
    return at


cdef inline bint is_digit(char letter) noexcept nogil:
    return b"0" <= letter <= b"9"


cdef const char* after_number(const char* at, const char* end, double* value) except? NULL:
    """Past a number, true or false, rounded as Python does; NULL where there is none, or one of too many digits."""
    cdef const char* start = at
    cdef const char* first
    cdef const char* dot
    cdef uint64_t digits = 0
    cdef int n_digits = 0, power = 0, exponent = 0
    cdef bint negative = False, down = False
    if at == end:
        return NULL
    if at[0] == b"t" or at[0] == b"f":
        value[0] = 1.0 if at[0] == b"t" else 0.0
        return after_word(at, end, b"true" if at[0] == b"t" else b"false")
    if at[0] == b"-":
        negative = True
        at += 1
    first = at
    while at < end and is_digit(at[0]):
        digits = 10 * digits + <uint64_t>(at[0] - ZERO)
        n_digits += digits > 0
        at += 1
        if n_digits > DIGITS_MAX:
            return NULL
    if at == first or (at - first > 1 and first[0] == b"0"):
        return NULL
    if at < end and at[0] == b".":
        at += 1
        dot = at
        while at < end and is_digit(at[0]):
            digits = 10 * digits + <uint64_t>(at[0] - ZERO)
            # Zeros in front take no room.
            n_digits += digits > 0
            at += 1
            if n_digits > DIGITS_MAX:
                return NULL
        power = <int>(dot - at)
        if power == 0:
            return NULL
    if at < end and (at[0] == b"e" or at[0] == b"E"):
        at += 1
        if at < end and (at[0] == b"-" or at[0] == b"+"):
            down = at[0] == b"-"
            at += 1
        dot = at
        while at < end and is_digit(at[0]) and at - dot < 4:
            exponent = 10 * exponent + (at[0] - ZERO)
            at += 1
        if at == dot or at - dot == 4:
            return NULL
        power += -exponent if down else exponent
    if at == end:
        # Whatever reads the number again must find its end.
        return NULL
    if digits <= (<uint64_t>1 << 53) and -22 <= power <= 22:
        # Both are exact as doubles, so the one operation left rounds as it should (Clinger 1990).
        value[0] = <double>digits * TENS[power] if power >= 0 else <double>digits / TENS[-power]
        if negative:
            value[0] = -value[0]
    else:
        value[0] = PyOS_string_to_double(start, <char**>&dot, NULL)
    return at


cdef class JsonReader:
    """Reads events such as ``{"x": {"temp": 20.1, "on": true}, "y": 3.2}``, one after the other.

    It takes the events that hold nothing but numbers, true and false, by plain ASCII names, a target, and perhaps an
    id, and leaves all others, the broken ones with them, to a whole JSON decoder: of what it takes, it reads the same.
    """

    def __dealloc__(self):
        free(self.fields)

    cdef int _grow(self) except -1:
        cdef Py_ssize_t room = max(2 * self.room, 16)
        cdef Field* fields = <Field*>realloc(self.fields, room * sizeof(Field))
        if fields == NULL:
            raise MemoryError(f"There is no memory for an event of {room} features.")
        self.fields, self.room = fields, room
        return 0

    cdef void give_back(self) noexcept:
        """Give the room for fields back."""
        free(self.fields)
        self.fields = NULL
        self.room = 0

    cdef bint read(self, const char* at, const char* end) except -1:
        """Read the event between two places; False where it is left to another decoder."""
        at = self.read_next(at, end)
        return at != NULL and blank(at, end) == end

    cdef const char* read_next(self, const char* at, const char* end) except? NULL:
        """Read the event that begins at a place; past it, or NULL where it is left to another decoder."""
        cdef const char* name
        cdef Py_ssize_t length
        cdef bint has_x = False, has_y = False
        self.id = NULL
        at = blank(at, end)
        if at == end or at[0] != b"{":
            return NULL
        while True:
            at = blank(at + 1, end)
            if at == end or at[0] != b'"':
                return NULL
            name = at + 1
            at = after_text(name, end)
            if at == NULL:
                return NULL
            length = at - name - 1
            at = blank(at, end)
            if at == end or at[0] != b":":
                return NULL
            at = blank(at + 1, end)
            if length == 1 and name[0] == b"x" and not has_x:
                has_x = True
                at = self._features(at, end)
            elif length == 1 and name[0] == b"y" and not has_y:
                has_y = True
                self.is_bool = at < end and (at[0] == b"t" or at[0] == b"f")
                at = after_number(at, end, &self.target)
            elif length == 2 and name[0] == b"i" and name[1] == b"d" and self.id == NULL and at < end and at[0] == b'"':
                self.id = at + 1
                at = after_text(at + 1, end)
                self.id_length = at - self.id - 1
            else:
                return NULL
            if at == NULL:
                return NULL
            at = blank(at, end)
            if at == end or at[0] != b",":
                break
        if at == end or at[0] != b"}":
            return NULL
        return at + 1 if has_x and has_y else NULL

    cdef const char* _features(self, const char* at, const char* end) except? NULL:
        """Read the object at a place into the fields; past it, or NULL."""
        cdef Field* field
        cdef Py_ssize_t n = 0
        self.n = 0
        if at == end or at[0] != b"{":
            return NULL
        if at + 1 < end and at[1] == b"}":
            return at + 2
        while True:
            at = blank(at + 1, end)
            if at == end or at[0] != b'"':
                return NULL
            if self.first + n == self.room:
                self._grow()
            field = &self.fields[self.first + n]
            field.name = at + 1
            at = after_text(at + 1, end)
            if at == NULL:
                return NULL
            field.length = at - field.name - 1
            at = blank(at, end)
            if at == end or at[0] != b":":
                return NULL
            at = after_number(blank(at + 1, end), end, &field.number)
            if at == NULL:
                return NULL
            n += 1
            at = blank(at, end)
            if at == end or at[0] != b",":
                break
        if at == end or at[0] != b"}":
            return NULL
        self.n = n
        return at + 1


cdef inline bint is_named(PyObject* key, const Field* field) noexcept:
    """Whether a key that was met before is the name of a field."""
    return (key != NULL and PyUnicode_CheckExact(<object>key) and PyUnicode_IS_COMPACT_ASCII(<object>key)
            and PyUnicode_GET_LENGTH(<object>key) == field.length
            and memcmp(PyUnicode_1BYTE_DATA(<object>key), field.name, field.length) == 0)


cdef bint find_row(Encoder encoder, Py_ssize_t place, const Field* field) except -1:
    """Remember the row of the `place`-th feature of the event; False where it has none, or is a category."""
    cdef str name = field.name[: field.length].decode("ascii")
    cdef Py_ssize_t row
    if encoder.has_categories and name in encoder.category_names:
        return False
    row = encoder.vocabulary.find(name)
    if row:
        encoder.cache_row(place, name, None, row, False)
    return row > 0


cdef bint take(CompiledFeatureLearner learner, JsonReader reader) except -1:
    """Give a learner the event that was read, unless a feature needs a closer look; nothing is learned yet."""
    cdef Encoder encoder = learner.encoder
    cdef Py_ssize_t i, row, before = 0, n_cached
    cdef const long long* assigned_at = encoder.vocabulary.assigned_at
    cdef long long* last_learned = encoder.vocabulary.last_learned
    cdef const Field* fields = reader.fields + reader.first
    cdef const Field* field
    cdef CachedRow* cached
    cdef bint ordered = True
    if not is_sane(reader.target):
        return False
    learner.check_target(reader.target)
    encoder.begin_event(reader.n)
    n_cached = PyList_GET_SIZE(encoder.cached_keys)
    for i in range(reader.n):
        field = &fields[i]
        cached = &encoder.cache[i]
        if not (i < n_cached and cached.value == NULL and is_named(cached.key, field)
                and cached.assigned_at == assigned_at[cached.row]):
            if not find_row(encoder, i, field):
                return False
            n_cached = PyList_GET_SIZE(encoder.cached_keys)
        row = cached.row
        if not is_sane(field.number):
            return False
        encoder.event.rows[i] = row
        encoder.event.x[i] = field.number
        ordered = ordered and row > before
        before = row
    if not ordered:
        # Of a name that comes twice, a decoder takes the last: it learns those features too, so they may be stamped.
        for i in range(reader.n):
            if last_learned[encoder.event.rows[i]] == encoder.n_events:
                return False
            last_learned[encoder.event.rows[i]] = encoder.n_events
    encoder.event.n = reader.n
    return True


def learn_lines(CompiledFeatureLearner kernel, const unsigned char[::1] text, decode):
    """Predict the event of each line, then learn from it, in order; returns the predictions.

    Args:
        kernel: the learner.
        text: the lines; those of white space alone are left out.
        decode: makes features and target of a line that is not plain; the target is None where there is none.
    """
    kernel.require_constructed()
    cdef JsonReader reader = JsonReader()
    cdef const char* at = <const char*>&text[0] if text.shape[0] else NULL
    cdef const char* stop = at + text.shape[0]
    cdef const char* end = at
    cdef Py_ssize_t n = 0, number = 0
    cdef double[::1] predictions
    while end < stop:
        end = line_end(end, stop) + 1
        number += 1
    predictions = np.empty(number)
    number = 0
    while at < stop:
        end = line_end(at, stop)
        number += 1
        try:
            if reader.read(at, end) and take(kernel, reader):
                predictions[n] = kernel.learn_event(reader.target)
                n += 1
            elif blank(at, end) < end:
                x, y = decode(at[: end - at])
                predictions[n] = kernel.predict_dict(x) if y is None else kernel.predict_learn_dict(x, y)
                n += 1
        except ValueError as error:
            raise ValueError(f"Line {number}: {error}") from error
        at = end + 1
    return np.array(predictions[:n])


cdef inline const char* line_end(const char* at, const char* stop) noexcept nogil:
    cdef const char* end = <const char*>memchr(at, b"\n", stop - at)
    return stop if end == NULL else end


def plain_event(const unsigned char[::1] line):
    """What a line says, as features and target; None where it is left to another decoder. For tests."""
    cdef JsonReader reader = JsonReader()
    cdef const char* start = <const char*>&line[0] if line.shape[0] else NULL
    cdef Py_ssize_t i
    if line.shape[0] == 0 or not reader.read(start, start + line.shape[0]):
        return None
    names = [reader.fields[i].name[: reader.fields[i].length].decode("ascii") for i in range(reader.n)]
    return list(zip(names, [reader.fields[i].number for i in range(reader.n)])), reader.target
