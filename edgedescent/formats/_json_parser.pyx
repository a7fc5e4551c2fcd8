"""Parser of simple events in JSON: numbers by ASCII names, read without making Python objects."""
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, realloc

cdef extern from "Python.h":
    double PyOS_string_to_double(const char* text, char** end, void* overflow) except? -1.0

cdef enum:
    # That many decimal digits always fit 64 bits.
    DIGITS_MAX = 19
    # The digit 0.
    ZERO = 48

# Powers of ten that a double holds exactly.
cdef double[23] TENS
for _i in range(23):
    TENS[_i] = float(10**_i)


cdef const char* skip_blank(const char* at, const char* end) noexcept nogil:
    """Position behind white space (RFC 8259, section 2)."""
    while at < end and (at[0] == b" " or at[0] == b"\t" or at[0] == b"\r" or at[0] == b"\n"):
        at += 1
    return at


cdef inline const char* after_string(const char* at, const char* end) noexcept nogil:
    """Position behind a string whose opening quote is already behind; NULL if it is not all printable ASCII."""
    while at < end and at[0] != b'"':
        # Control characters, other alphabets and escapes are left to a complete JSON decoder.
        if at[0] < 32 or at[0] > 126 or at[0] == b"\\":
            return NULL
        at += 1
    return at + 1 if at < end else NULL


cdef inline const char* after_word(const char* at, const char* end, const char* word) noexcept nogil:
    """Position behind a given word; NULL if another one stands there."""
    while word[0]:
        if at == end or at[0] != word[0]:
            return NULL
        at += 1
        word += 1
    return at


cdef inline bint is_digit(char letter) noexcept nogil:
    return b"0" <= letter <= b"9"


cdef inline const char* after_digits(const char* at, const char* end, uint64_t* value, int* n_digits) noexcept nogil:
    """Position behind digits, which are appended to a number; NULL if that gets too long."""
    while at < end and is_digit(at[0]):
        value[0] = 10 * value[0] + <uint64_t>(at[0] - ZERO)
        # Leading zeros do not count.
        n_digits[0] += value[0] > 0
        at += 1
        if n_digits[0] > DIGITS_MAX:
            return NULL
    return at


cdef inline const char* after_exponent(const char* at, const char* end, int* power) noexcept nogil:
    """Position behind a sign and one to three digits, which are added to a power of ten; else NULL."""
    cdef const char* first
    cdef int exponent = 0
    cdef bint negative = False
    if at < end and (at[0] == b"-" or at[0] == b"+"):
        negative = at[0] == b"-"
        at += 1
    first = at
    while at < end and is_digit(at[0]) and at - first < 4:
        exponent = 10 * exponent + (at[0] - ZERO)
        at += 1
    if at == first or at - first == 4:
        return NULL
    power[0] += -exponent if negative else exponent
    return at


cdef const char* after_number(const char* at, const char* end, double* value) except? NULL:
    """Position behind a number, true or false, rounded as Python does; NULL if there is none, or one too long."""
    cdef const char* start = at
    cdef const char* first
    cdef char* stop
    cdef uint64_t digits = 0
    cdef int n_digits = 0, power = 0
    if at == end:
        return NULL
    if at[0] == b"t" or at[0] == b"f":
        value[0] = 1.0 if at[0] == b"t" else 0.0
        return after_word(at, end, b"true" if at[0] == b"t" else b"false")
    if at[0] == b"-":
        at += 1
    first = at
    at = after_digits(at, end, &digits, &n_digits)
    if at == NULL or at == first or (at - first > 1 and first[0] == b"0"):
        return NULL
    if at < end and at[0] == b".":
        first = at + 1
        at = after_digits(first, end, &digits, &n_digits)
        if at == NULL or at == first:
            return NULL
        power = <int>(first - at)
    if at < end and (at[0] == b"e" or at[0] == b"E"):
        at = after_exponent(at + 1, end, &power)
        if at == NULL:
            return NULL
    if at == end:
        # Where the text ends here, so might the memory, and `PyOS_string_to_double` needs a character that ends it.
        return NULL
    if digits <= (<uint64_t>1 << 53) and -22 <= power <= 22:
        # Both are exact as doubles, so the one operation left rounds correctly (Clinger 1990).
        value[0] = <double>digits * TENS[power] if power >= 0 else <double>digits / TENS[-power]
        if start[0] == b"-":
            value[0] = -value[0]
    else:
        value[0] = PyOS_string_to_double(start, &stop, NULL)
    return at


cdef class JsonParser:
    """Parser of events such as ``{"x": {"temp": 20.1, "on": true}, "y": 3.2, "id": "a"}``.

    It takes simple events: features that are numbers, true or false, by names in printable ASCII, and perhaps a target and
    an id in quotes. All others, malformed ones included, are left to a complete JSON decoder. Of what it
    takes, it reads the same as that.
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

    cdef void shrink(self) noexcept:
        """Free the fields."""
        free(self.fields)
        self.fields = NULL
        self.room = 0

    cdef bint parse(self, const char* at, const char* end) except -1:
        """Parse the one event between two positions; False if it is left to another decoder."""
        at = self.parse_next(at, end)
        return at != NULL and skip_blank(at, end) == end

    cdef const char* parse_next(self, const char* at, const char* end) except? NULL:
        """Parse the event that begins at a position; returns the one behind it, or NULL if it is left to another decoder."""
        cdef const char* name
        cdef Py_ssize_t length
        cdef bint has_x = False
        self.id = NULL
        self.has_target = self.is_bool = False
        at = skip_blank(at, end)
        if at == end or at[0] != b"{":
            return NULL
        while True:
            at = skip_blank(at + 1, end)
            if at == end or at[0] != b'"':
                return NULL
            name = at + 1
            at = after_string(name, end)
            if at == NULL:
                return NULL
            length = at - name - 1
            at = skip_blank(at, end)
            if at == end or at[0] != b":":
                return NULL
            at = skip_blank(at + 1, end)
            if length == 1 and name[0] == b"x" and not has_x:
                has_x = True
                at = self._parse_features(at, end)
            elif length == 1 and name[0] == b"y" and not self.has_target:
                self.has_target = True
                self.is_bool = at < end and (at[0] == b"t" or at[0] == b"f")
                at = after_number(at, end, &self.target)
            elif length == 2 and name[0] == b"i" and name[1] == b"d" and self.id == NULL and at < end and at[0] == b'"':
                self.id = at + 1
                at = after_string(at + 1, end)
                self.id_length = at - self.id - 1
            else:
                return NULL
            if at == NULL:
                return NULL
            at = skip_blank(at, end)
            if at == end or at[0] != b",":
                break
        if at == end or at[0] != b"}":
            return NULL
        return at + 1 if has_x else NULL

    cdef const char* _parse_features(self, const char* at, const char* end) except? NULL:
        """Parse the object at a position into the fields; returns the one behind it, or NULL."""
        cdef Field* field
        cdef Py_ssize_t n = 0
        self.n = 0
        if at == end or at[0] != b"{":
            return NULL
        if at + 1 < end and at[1] == b"}":
            return at + 2
        while True:
            at = skip_blank(at + 1, end)
            if at == end or at[0] != b'"':
                return NULL
            if self.first + n == self.room:
                self._grow()
            field = &self.fields[self.first + n]
            field.name = at + 1
            at = after_string(at + 1, end)
            if at == NULL:
                return NULL
            field.length = at - field.name - 1
            at = skip_blank(at, end)
            if at == end or at[0] != b":":
                return NULL
            at = after_number(skip_blank(at + 1, end), end, &field.number)
            if at == NULL:
                return NULL
            n += 1
            at = skip_blank(at, end)
            if at == end or at[0] != b",":
                break
        if at == end or at[0] != b"}":
            return NULL
        self.n = n
        return at + 1


def parse_event(const unsigned char[::1] text not None):
    """Features and target, which may be None, of a simple event; None for any other. For tests."""
    cdef JsonParser parser = JsonParser()
    cdef const char* start = <const char*>&text[0] if text.shape[0] else NULL
    cdef Py_ssize_t i
    if text.shape[0] == 0 or not parser.parse(start, start + text.shape[0]):
        return None
    names = [parser.fields[i].name[: parser.fields[i].length].decode("ascii") for i in range(parser.n)]
    return list(zip(names, [parser.fields[i].number for i in range(parser.n)])), parser.target if parser.has_target else None
