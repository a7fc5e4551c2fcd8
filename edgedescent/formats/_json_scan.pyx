"""How much a JSON text holds, before anything is made of it."""

cdef enum:
    # Beyond the depth to which any decoder goes.
    DEPTH_MAX = 1000


def has_more_than(const unsigned char[::1] text, Py_ssize_t count, bint anywhere=False):
    """Whether the JSON array that `text` begins with has more elements than that; stops at the first one too many.

    Only its brackets, commas and strings are looked at (RFC 8259): of what is no JSON, the answer means nothing.

    Args:
        text: JSON, and perhaps something behind it.
        count: so many are not too many.
        anywhere: count whatever stands at any depth, in objects too: values, arrays, objects. Where they are nested
            so deeply that no decoder gets there, what comes behind is not counted.
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
