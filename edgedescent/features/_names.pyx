"""Names of rows: features and categories, of which no two have the same."""
import re

from libc.string cimport memchr

cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    const char* PyUnicode_1BYTE_DATA(object text)

SPLIT = re.compile(r"((?:\\.|[^\\=])*)(=?)(.*)", re.DOTALL)
UNESCAPE = re.compile(r"\\(.)", re.DOTALL)


cdef str row_name(str feature):
    """Name under which a feature has its row: its own, in which ``=``, ``\\\\`` and ``#`` at the start are escaped.

    So the name of a category, in which ``=`` follows the name of its feature, is that of no feature, nor of a category
    of another feature.
    """
    cdef Py_ssize_t n
    cdef const char* letters
    if PyUnicode_IS_COMPACT_ASCII(feature):
        n, letters = PyUnicode_GET_LENGTH(feature), PyUnicode_1BYTE_DATA(feature)
        if (n == 0 or letters[0] != b"#") and not memchr(letters, b"=", n) and not memchr(
                letters, b"\\", n):
            return feature
    if feature.startswith("#"):
        feature = "\\" + feature.replace("\\", "\\\\").replace("=", "\\=")
    elif "=" in feature or "\\" in feature:
        feature = feature.replace("\\", "\\\\").replace("=", "\\=")
    return feature


def split_name(str name not None):
    """Feature and category of the name of a row; the category is None for a feature that is a number.

    >>> split_name("site=north"), split_name("temp"), split_name("a\\\\=b=c")
    (('site', 'north'), ('temp', None), ('a=b', 'c'))
    """
    feature, separator, category = SPLIT.match(name).groups()
    return UNESCAPE.sub(r"\1", feature), category if separator else None
