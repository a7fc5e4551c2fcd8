"""Scans of JSON without decoding it: how many elements it has, where they end, and numbers that JSON does not know."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memcmp

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX

cdef enum:
    # Deeper than any decoder goes.
    DEPTH_MAX = 1000


cdef inline Py_ssize_t string_end(const unsigned char* data, Py_ssize_t at, Py_ssize_t n) noexcept nogil:
    """Position of the quote that ends the string whose first quote is at `at`; at least `n` if none does."""
    at += 1
    while at < n and data[at] != b'"':
        # A backslash escapes what follows it.
        at += 2 if data[at] == b"\\" else 1
    return at


cdef Py_ssize_t count_up_to(const unsigned char[::1] text, Py_ssize_t bound, Py_ssize_t depth_max,
                            bint anywhere) noexcept:
    """Number of elements of the JSON array at the start of a text, or the first number beyond a bound.

    Only brackets, commas and strings are looked at (RFC 8259), so the number means little if the text is malformed.
    """
    cdef Py_ssize_t i = 0, depth = 0, size = text.shape[0], n = 1 if size else 0
    cdef const unsigned char* data = &text[0] if size else NULL
    cdef unsigned char c
    while i < size and n <= bound:
        c = data[i]
        if c == b'"':
            i = string_end(data, i, size)
        elif c == b"[" or c == b"{":
            depth += 1
            if depth > depth_max:
                return n
            n += anywhere
        elif c == b"]" or c == b"}":
            depth -= 1
            if depth <= 0:
                return n
        elif c == b"," and (anywhere or depth == 1):
            n += 1
        i += 1
    return n


def has_more_than(const unsigned char[::1] text not None, Py_ssize_t count, bint anywhere=False):
    """True if the JSON array at the start of a text has more elements than a bound; stops at the first one too many.

    Args:
        text: JSON, and perhaps something behind it.
        count: the bound.
        anywhere: count values, arrays and objects at any depth, in objects too. Counting ends where they are nested
            too deeply for any decoder.
    """
    return count_up_to(text, count, DEPTH_MAX, anywhere) > count


def count_elements(const unsigned char[::1] text not None):
    """Number of elements of the JSON array at the start of a text, 1 if it is empty; roughly right if malformed."""
    return count_up_to(text, PY_SSIZE_T_MAX, PY_SSIZE_T_MAX, False)


def element_end(const unsigned char[::1] text not None, Py_ssize_t at):
    """Position of the comma or bracket that ends the element of an array, in JSON that may be damaged.

    Only brackets and strings are looked at. Where they are not balanced, that is the end of the text.

    Args:
        text: JSON, perhaps malformed.
        at: position in an element of an array, outside of strings and nested values.
    """
    cdef Py_ssize_t i = at, depth = 0, size = text.shape[0]
    cdef const unsigned char* data = &text[0] if size else NULL
    cdef unsigned char c
    while i < size:
        c = data[i]
        if c == b'"':
            i = string_end(data, i, size)
        elif c == b"[" or c == b"{":
            depth += 1
        elif c == b"]" or c == b"}":
            if depth > 0:
                depth -= 1
            elif c == b"]":
                return i
        elif c == b"," and depth == 0:
            return i
        i += 1
    return size


cdef inline Py_ssize_t not_finite_length(const unsigned char* at, Py_ssize_t n) noexcept nogil:
    """Length of a number that is not finite, as languages other than JSON write it; 0 if there is none."""
    cdef Py_ssize_t sign = 1 if n and (at[0] == b"-" or at[0] == b"+") else 0, length
    at += sign
    n -= sign
    if begins_with(at, n, b"infinity"):
        length = 8
    elif begins_with(at, n, b"nan") or begins_with(at, n, b"inf"):
        length = 3
    else:
        return 0
    if length < n and (at[length] >= 128 or is_word[at[length]]):
        # The beginning of another word.
        return 0
    return sign + length


cdef char[128] is_word
for _i in range(128):
    is_word[_i] = chr(_i).isalnum() or chr(_i) in "_.+-"


cdef inline bint begins_with(const unsigned char* at, Py_ssize_t n, const char* word) noexcept nogil:
    """True if a text begins with a word in lower case, however it is written."""
    cdef Py_ssize_t i = 0
    while word[i]:
        if i >= n or (at[i] | 32) != <unsigned char>word[i]:
            return False
        i += 1
    return True


def with_nulls(const unsigned char[::1] text not None):
    """A copy of JSON in which numbers that are not finite are ``null``; None if it has none.

    Python writes ``NaN``, ``Infinity`` and ``-Infinity``, C ``nan``, ``-inf`` and the like. JSON has no such numbers
    (RFC 8259, section 6). Texts are left alone.
    """
    cdef bytearray copy = bytearray()
    cdef const unsigned char* data = &text[0] if text.shape[0] else NULL
    cdef Py_ssize_t i = 0, copied = 0, n = text.shape[0], length
    cdef bint is_value = True
    cdef unsigned char c
    while i < n:
        c = data[i]
        if c == b'"':
            i = string_end(data, i, n)
            is_value = False
        elif c == b":" or c == b"," or c == b"[":
            is_value = True
        elif is_value and c != b" " and c != b"\t" and c != b"\n" and c != b"\r":
            is_value = False
            length = not_finite_length(data + i, n - i)
            if length:
                copy += bytes(text[copied:i]) + b"null"
                i += length
                copied = i
                continue
        i += 1
    if copied == 0:
        return None
    copy += bytes(text[copied:])
    return bytes(copy)


cdef inline bint is_key(const char* at, Py_ssize_t n, const char* key, Py_ssize_t length) noexcept nogil:
    return n >= length and memcmp(at, key, length) == 0


def may_misname_label(bytes text not None):
    """True if ``"target"``, ``"label"``, ``"rating"`` or ``"Y"`` occurs in JSON; asked for each event without `y`."""
    cdef const char* data = PyBytes_AS_STRING(text)
    cdef Py_ssize_t i, n = PyBytes_GET_SIZE(text)
    cdef char c
    # A NUL follows the bytes, so there is one more to look at behind each quote.
    for i in range(n):
        if data[i] != b'"':
            continue
        c = data[i + 1]
        if c != b"t" and c != b"l" and c != b"r" and c != b"Y":
            continue
        if (is_key(data + i + 1, n - i - 1, b'target"', 7) or is_key(data + i + 1, n - i - 1, b'label"', 6)
                or is_key(data + i + 1, n - i - 1, b'rating"', 7) or is_key(data + i + 1, n - i - 1, b'Y"', 2)):
            return True
    return False
