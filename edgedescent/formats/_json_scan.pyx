"""Bound on the elements of a JSON text, checked before it is decoded."""

cdef enum:
    # Deeper than any decoder goes.
    DEPTH_MAX = 1000


def has_more_than(const unsigned char[::1] text not None, Py_ssize_t count, bint anywhere=False):
    """True if the JSON array at the start of a text has more elements than a bound; stops at the first one too many.

    Only brackets, commas and strings are looked at (RFC 8259), so the answer means nothing if the text is malformed.

    Args:
        text: JSON, and perhaps something behind it.
        count: the bound.
        anywhere: count values, arrays and objects at any depth, in objects too. Counting ends where they are nested
            too deeply for any decoder.
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
            n += anywhere
            if depth > DEPTH_MAX:
                return False
        elif c == b"]" or c == b"}":
            depth -= 1
            if depth <= 0:
                return False
        elif c == b"," and (anywhere or depth == 1):
            n += 1
        else:
            continue
        if n > count:
            return True
    return False
