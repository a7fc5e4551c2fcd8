# cython: language_level=3, boundscheck=False, wraparound=False
"""How many elements a JSON array has, before anything is made of them."""


def has_more_than(const unsigned char[::1] text, Py_ssize_t count):
    """Whether the JSON array that `text` begins with has more elements than that; stops at the first one too many.

    Only its brackets, commas and strings are looked at (RFC 8259): of what is no JSON, the answer means nothing.
    """
    cdef Py_ssize_t i, depth = 0, n = 1
    cdef bint quoted = False, escaped = False
    cdef unsigned char c
    for i in range(text.shape[0]):
        c = text[i]
        if quoted:
            if escaped:
                escaped = False
            elif c == b"\\":
                escaped = True
            elif c == b'"':
                quoted = False
        elif c == b'"':
            quoted = True
        elif c == b"[" or c == b"{":
            depth += 1
        elif c == b"]" or c == b"}":
            depth -= 1
            if depth <= 0:
                return False
        elif c == b"," and depth == 1:
            n += 1
            if n > count:
                return True
    return False
