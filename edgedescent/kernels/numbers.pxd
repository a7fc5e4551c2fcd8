"""What counts as a usable number, and how a Python object becomes one."""
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact
from cpython.long cimport PyLong_AsDouble
from cpython.unicode cimport PyUnicode_Check

# Beyond this a square may overflow. No sensor means such a value, so it is treated like infinity.
cdef inline bint is_sane(double value) noexcept nogil:
    # A comparison with NaN is false, so this refuses NaN too.
    return -1e100 < value < 1e100


cdef inline double to_number(object name, object value) except? -1.0:
    """The float of a number or boolean; NaN, which counts as missing, for None."""
    if PyFloat_CheckExact(value):
        return PyFloat_AS_DOUBLE(value)
    if value is None:
        return float("nan")
    if isinstance(value, int):
        try:
            return PyLong_AsDouble(value)
        except OverflowError:
            return float("inf")
    if isinstance(value, (str, bytes)) or not hasattr(value, "__float__"):
        raise ValueError(f"The feature {name!r} must be a number. Got {value!r}.")
    return float(value)
