"""Compiled readers of JSON: from messages or lines of text to a learner, without Python objects where events are simple."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_SIZE
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_CheckExact
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memchr, memcmp

from edgedescent.features._encoder cimport CachedRow, Encoder
from edgedescent.features._names cimport row_name
from edgedescent.formats._content_hash cimport ascii_id_hash, event_hash, label_hash
from edgedescent.formats._cursor cimport EventCursor, Piece
from edgedescent.formats._json_parser cimport Field, JsonParser, skip_blank
from edgedescent.numerics._fast_hash cimport hash_number, word_of_bytes
from edgedescent.numerics._numbers cimport is_sane

from edgedescent.errors import InvalidEventError

cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    const char* PyUnicode_1BYTE_DATA(object text)

cdef enum:
    # Longer messages are left to the format's decoder, which takes them piece by piece: fields take up four times their bytes.
    BYTES_MAX = 262_144
    # Memory for more events or fields than these is freed after each message.
    EVENTS_KEPT = 1_000
    FIELDS_KEPT = 5_000
    # Fields whose names are compared each with each.
    COMPARED_MAX = 64


cdef inline bint is_named(PyObject* key, const Field* field) noexcept:
    """True if a cached key is the name of a field."""
    return (key != NULL and PyUnicode_CheckExact(<object>key) and PyUnicode_IS_COMPACT_ASCII(<object>key)
            and PyUnicode_GET_LENGTH(<object>key) == field.length
            and memcmp(PyUnicode_1BYTE_DATA(<object>key), field.name, field.length) == 0)


cdef bint are_distinct(const Field* fields, Py_ssize_t n) noexcept nogil:
    """True if no two fields have the same name; False where there are too many to compare each with each."""
    cdef Py_ssize_t i, j
    if n > COMPARED_MAX:
        return False
    for i in range(1, n):
        for j in range(i):
            if fields[i].length == fields[j].length and memcmp(fields[i].name, fields[j].name, fields[i].length) == 0:
                return False
    return True


cdef bint find_row(Encoder encoder, Py_ssize_t place, const Field* field) except -1:
    """Cache the row of the `place`-th feature of the event; False if it has none, or is a category."""
    cdef str name = field.name[: field.length].decode("ascii")
    cdef Py_ssize_t row
    if encoder.has_categories and name in encoder.category_names:
        return False
    row = encoder.vocabulary.find(row_name(name))
    if row:
        encoder.cache_row(place, name, None, row, False)
    return row > 0


cdef class JsonCursor(EventCursor):
    """Cursor over events in JSON; the parser holds the fields of the one at hand."""

    def __init__(self, json_format):
        self.format = json_format
        self.parser = JsonParser()

    cdef bint encode(self, Encoder encoder) except -1:
        cdef JsonParser parser = self.parser
        cdef Py_ssize_t i, row, before = 0, n_cached
        cdef const long long* assigned_at = encoder.vocabulary.assigned_at
        cdef long long* last_learned = encoder.vocabulary.last_learned
        cdef const Field* fields = parser.fields + parser.first
        cdef const Field* field
        cdef CachedRow* cached
        cdef bint ordered = True
        encoder.begin_event(parser.n)
        n_cached = PyList_GET_SIZE(encoder.cached_keys)
        for i in range(parser.n):
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
            # Of a name that comes twice, a decoder takes the last value. Marking the rows as learned changes nothing,
            # because that event has the same features.
            for i in range(parser.n):
                if last_learned[encoder.event.rows[i]] == encoder.n_events:
                    return False
                last_learned[encoder.event.rows[i]] = encoder.n_events
        encoder.event.n = parser.n
        self.is_encoded = True
        return True


cdef class JsonReader(JsonCursor):
    """Cursor over the events of messages whose events are all simple, as `JsonParser` has it.

    An answer repeats the target as it came, so that events whose target is true or false are not simple here.

    Args:
        json_format: the payload format, which decodes what needs to be an object.
        bytes_max: longer messages are left to the format.
        events_max: messages of more events likewise.
    """

    def __init__(self, json_format, Py_ssize_t bytes_max, Py_ssize_t events_max):
        super().__init__(json_format)
        self.bytes_max = min(bytes_max, BYTES_MAX)
        self.events_max = events_max
        self.is_raw = self.has_target = True

    def __dealloc__(self):
        free(self.events)

    def open(self, bytes message not None):
        cdef const char* at = PyBytes_AS_STRING(message)
        cdef const char* end = at + PyBytes_GET_SIZE(message)
        self.n = self.place = self.parser.first = 0
        if PyBytes_GET_SIZE(message) > self.bytes_max:
            return False
        # The events point into it.
        self.message = message
        self.rejected = []
        at = skip_blank(at, end)
        self.is_array = at < end and at[0] == b"["
        at = self._read_array(at, end) if self.is_array else self._read_event(at, end)
        if at == NULL or skip_blank(at, end) != end:
            self.close()
            return False
        return True

    cdef void close(self) noexcept:
        self.message = self.item = None
        self.n = self.place = 0
        if self.room > EVENTS_KEPT:
            free(self.events)
            self.events = NULL
            self.room = 0
        if self.parser.room > FIELDS_KEPT:
            self.parser.shrink()

    cdef const char* _read_array(self, const char* at, const char* end) except? NULL:
        """Read the array that begins at a position; returns the one behind it, or NULL."""
        while self.n < self.events_max:
            at = self._read_event(at + 1, end)
            if at == NULL:
                return NULL
            at = skip_blank(at, end)
            if at == end or at[0] != b",":
                return at + 1 if at < end and at[0] == b"]" else NULL
        return NULL

    cdef const char* _read_event(self, const char* at, const char* end) except? NULL:
        """Read the event that begins at a position; returns the one behind it, or NULL."""
        cdef JsonParser parser = self.parser
        cdef const char* behind
        at = skip_blank(at, end)
        behind = parser.parse_next(at, end)
        if behind == NULL or parser.is_bool or not is_sane(parser.target):
            return NULL
        if self.n == self.room:
            self._grow()
        self.events[self.n] = SimpleEvent(
            at, behind, parser.id, parser.id_length, parser.first, parser.n, parser.target)
        self.n += 1
        parser.first += parser.n
        return behind

    cdef int _grow(self) except -1:
        cdef Py_ssize_t room = max(2 * self.room, 16)
        cdef SimpleEvent* events = <SimpleEvent*>realloc(self.events, room * sizeof(SimpleEvent))
        if events == NULL:
            raise MemoryError(f"There is no memory for a message of {room} events.")
        self.events, self.room = events, room
        return 0

    cdef bint next(self) except -1:
        cdef const SimpleEvent* event
        if self.place == self.n:
            return False
        event = &self.events[self.place]
        self.index = self.place
        self.place += 1
        self.parser.first, self.parser.n = event.first, event.n
        self.target = event.target
        self.has_id = event.id != NULL
        self.item = None
        self.is_encoded = False
        return True

    cdef uint64_t id_hash(self) except? 0:
        cdef const SimpleEvent* event = &self.events[self.index]
        return ascii_id_hash(event.id, event.id_length)

    cdef uint64_t content_hash(self) except? 0:
        cdef const Field* fields = self.parser.fields + self.parser.first
        cdef uint64_t total
        cdef Py_ssize_t i
        # Of a name that comes twice, a decoder takes the last value. What was encoded has no such name.
        if self.item is not None or not (self.is_encoded or are_distinct(fields, self.parser.n)):
            return event_hash(self.event(), self.target)
        total = label_hash(self.target)
        for i in range(self.parser.n):
            total += hash_number(
                word_of_bytes(<const unsigned char*>fields[i].name, fields[i].length), fields[i].number)
        return total

    cdef object id(self):
        cdef const SimpleEvent* event = &self.events[self.index]
        return event.id[: event.id_length].decode("ascii") if event.id != NULL else None

    cdef object label(self):
        return self.target

    cdef object decode(self):
        return self.format.decode_one(self.text())

    cdef bytes text(self):
        cdef const SimpleEvent* event = &self.events[self.index]
        return event.start[: event.end - event.start]


cdef class JsonLines(JsonCursor):
    """Cursor over lines of JSON, one event each; blank lines are skipped.

    Args:
        json_format: the payload format, which decodes what is not simple.
        text: the lines.
    """

    def __init__(self, json_format, const unsigned char[::1] text not None):
        super().__init__(json_format)
        self.memory = text
        self.end = <const char*>&text[0] if text.shape[0] else NULL
        self.stop = self.end + text.shape[0]

    cdef Py_ssize_t count_lines(self):
        """Number of lines from the next one on, blank ones included."""
        cdef const char* at = self.end
        cdef Py_ssize_t n = 0
        while at < self.stop:
            at = line_end(at, self.stop) + 1
            n += 1
        return n

    cdef bint next(self) except -1:
        while self.end < self.stop:
            self.start = self.end
            # Behind its end of line.
            self.end = line_end(self.start, self.stop) + 1
            self.number += 1
            self.item = None
            self.is_raw = self.parser.parse(self.start, self.end - 1)
            if self.is_raw:
                self.target = self.parser.target
                self.has_target = True
                return True
            if skip_blank(self.start, self.end - 1) < self.end - 1:
                self.has_target = self.event().y is not None
                return True
        return False

    cdef object decode(self):
        cdef Piece piece
        [piece] = self.format.decode(self.text())
        if piece.rejected:
            return piece.rejected[0].error
        return piece.events[0][1] if piece.events else InvalidEventError("missing_field", "The array holds no event.")

    cdef bytes text(self):
        return self.start[: self.end - 1 - self.start]


cdef inline const char* line_end(const char* at, const char* stop) noexcept nogil:
    cdef const char* end = <const char*>memchr(at, b"\n", stop - at)
    return stop if end == NULL else end
