"""Usable numbers and names, and their conversion from Python objects."""
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_Check
from cpython.long cimport PyLong_AsDouble, PyLong_Check
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_Check, PyUnicode_CheckExact, PyUnicode_FromObject

cdef enum:
    # What bounds the memory that one event can claim, and that a table of so many names can.
    EVENT_VALUES_MAX = 16_384
    NAME_BYTES_MAX = 512


# Beyond this a square may overflow. No sensor means such a value, so it is treated like infinity.
cdef inline bint is_sane(double value) noexcept nogil:
    # A comparison with NaN is false, so this refuses NaN too.
    return -1e100 < value < 1e100


cdef inline double bounded(double value) noexcept nogil:
    """The value at ±1e100 at most, so that no square and no product of two such values overflows."""
    value = value if value < 1e100 else 1e100
    return value if value > -1e100 else -1e100


cdef inline bint is_plain(object value) noexcept:
    """True if reading the value runs no Python code, so that nothing can change meanwhile."""
    return PyFloat_Check(value) or value is None or PyLong_Check(value)


cdef inline double plain_number(object value) except? -1.0:
    """The number of a plain value; NaN, which counts as missing, for None."""
    if PyFloat_Check(value):
        return PyFloat_AS_DOUBLE(value)
    if value is None:
        return float("nan")
    try:
        return PyLong_AsDouble(value)
    except OverflowError:
        return float("inf")


cdef inline double to_number(str what, object value) except? -1.0:
    """The float of anything that is one real number; `what` names it in the error."""
    if PyFloat_Check(value) or PyLong_Check(value):
        return plain_number(value)
    # Text, complex numbers, dates and arrays of one element can be forced into a float, but none is a number.
    kind = getattr(getattr(value, "dtype", None), "kind", "f")
    if (hasattr(value, "__float__") and not isinstance(value, complex) and kind in "biuf"
            and getattr(value, "ndim", 0) == 0):
        try:
            return float(value)
        except OverflowError:
            return float("inf")
        except (TypeError, ValueError):
            pass
    raise ValueError(f"{what} must be a number. Got {value!r:.80}.")


cdef inline str to_text(str what, object value):
    """An exact string that can be written as UTF-8; `what` names it in the error."""
    if not PyUnicode_Check(value):
        raise ValueError(f"{what} must be a string. Got {value!r:.80}.")
    # A subclass may hash or compare in ways of its own.
    cdef str text = value if PyUnicode_CheckExact(value) else PyUnicode_FromObject(value)
    check_text(what, text)
    return text


cdef inline int check_text(str what, str text) except -1:
    """Raise ValueError for text that is too long, or not Unicode, which no checkpoint or snapshot could hold."""
    cdef Py_ssize_t size
    try:
        PyUnicode_AsUTF8AndSize(text, &size)
    except UnicodeEncodeError:
        raise ValueError(f"{what} must be valid Unicode text. Got {text!r:.80}.") from None
    if size > NAME_BYTES_MAX:
        from edgedescent.errors import TooLargeError

        raise TooLargeError(f"{what} may have {NAME_BYTES_MAX} bytes at most. Got {size} bytes: {text!r:.40}…")
    return 0
