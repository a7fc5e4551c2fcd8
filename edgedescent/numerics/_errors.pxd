"""Exceptions of Python code that is called from a function that cannot raise, kept until a caller can raise them."""
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF


cdef inline void keep_error(PyObject** kept, object error) noexcept:
    """Keep an exception, unless an earlier one is kept already."""
    if kept[0] == NULL:
        Py_INCREF(error)
        kept[0] = <PyObject*>error


cdef inline int raise_kept(PyObject** kept) except -1:
    """Raise the kept exception, if there is one, and forget it."""
    if kept[0] == NULL:
        return 0
    error = <object>kept[0]
    Py_DECREF(error)
    kept[0] = NULL
    raise error
