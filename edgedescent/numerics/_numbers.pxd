"""Checked conversion of Python objects to numbers and names, and the limits on both."""
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_Check
from cpython.long cimport PyLong_AsDouble, PyLong_Check
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_Check, PyUnicode_CheckExact, PyUnicode_FromObject
from cython cimport floating

cdef enum:
    # Bounds on the memory of an event and of the names in a table.
    EVENT_VALUES_MAX = 16_384
    NAME_BYTES_MAX = 512


# The square of a larger value may overflow. No sensor measures such a value, so it is treated like infinity.
cdef inline bint is_sane(double value) noexcept nogil:
    # Comparisons with NaN are false, so NaN is rejected too.
    return -1e100 < value < 1e100


cdef inline floating clipped(floating value, floating limit) noexcept nogil:
    """Clip a value at ±limit; NaN becomes the limit."""
    value = value if value < limit else limit
    return value if value > -limit else -limit


cdef inline double bounded(double value) noexcept nogil:
    """Clip a value at ±1e100, so that the product of two such values does not overflow."""
    return clipped(value, 1e100)


cdef inline bint is_plain(object value) noexcept:
    """True for int, float and None, whose conversion runs no Python code that could modify other objects."""
    return PyFloat_Check(value) or value is None or PyLong_Check(value)


cdef inline double plain_number(object value) except? -1.0:
    """Convert a plain value (see `is_plain`) to a double; None becomes NaN, which counts as missing."""
    if PyFloat_Check(value):
        return PyFloat_AS_DOUBLE(value)
    if value is None:
        return float("nan")
    try:
        return PyLong_AsDouble(value)
    except OverflowError:
        return float("inf")


cdef inline bint is_time(object value, object kind):
    """True for the dates, times and durations of Python, NumPy and pandas."""
    return hasattr(value, "isoformat") or hasattr(value, "total_seconds") or kind in ("m", "M")


cdef inline double to_number(str what, object value) except? -1.0:
    """Convert a real number of any type to a double; raises ValueError, with `what` as its name, for anything else."""
    if PyFloat_Check(value) or PyLong_Check(value):
        return plain_number(value)
    # NumPy texts, dates, complex numbers and one-element arrays have `__float__` too, but are not real numbers.
    kind = getattr(getattr(value, "dtype", None), "kind", "f")
    if (hasattr(value, "__float__") and not isinstance(value, complex) and kind in "biuf"
            and getattr(value, "ndim", 0) == 0):
        try:
            return float(value)
        except OverflowError:
            return float("inf")
        except (TypeError, ValueError):
            pass
    hint = " Give what matters of a time as numbers, such as its hour." if is_time(value, kind) else ""
    raise ValueError(f"{what} must be a number. Got {value!r:.80}.{hint}")


cdef inline str to_text(str what, object value):
    """Convert to an exact `str` of valid Unicode; raises ValueError, with `what` as its name, for anything else."""
    if not PyUnicode_Check(value):
        raise ValueError(f"{what} must be a string. Got {value!r:.80}.")
    # Subclasses of str can override `__hash__` and `__eq__`, so convert them to an exact str.
    cdef str text = value if PyUnicode_CheckExact(value) else PyUnicode_FromObject(value)
    check_text(what, text)
    return text


cdef inline int check_text(str what, str text) except -1:
    """Raise an error for text that checkpoints and snapshots cannot store.

    Raises:
        ValueError: If the text is not valid Unicode.
        TooLargeError: If it has more than `NAME_BYTES_MAX` bytes in UTF-8.
    """
    cdef Py_ssize_t size
    try:
        PyUnicode_AsUTF8AndSize(text, &size)
    except UnicodeEncodeError:
        raise ValueError(f"{what} must be valid Unicode text. Got {text!r:.80}.") from None
    if size > NAME_BYTES_MAX:
        from edgedescent.errors import TooLargeError

        raise TooLargeError(f"{what} may have {NAME_BYTES_MAX} bytes at most. Got {size} bytes: {text!r:.40}…")
    return 0
