"""Hash of what an event says, and of its id: by these a repeat is told from another event with the same id.

The content is what a learner gets: the features, or user and item, and the label. The order of the features, blanks and
fields that no event has do not change it, nor does a missing feature, and 1, 1.0 and true are one number. The compiled
reader of JSON hashes its numbers to the same words.
"""
from cpython.dict cimport PyDict_Next
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_Check, PyUnicode_CheckExact
from libc.math cimport NAN
from libc.stdint cimport uint64_t

from edgedescent.numerics._fast_hash cimport hash_number, hash_word, mixed, word_of_bytes
from edgedescent.numerics._numbers cimport is_plain, plain_number

from edgedescent.formats.events import FeatureEvent, ItemEvent, RatingEvent

cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    const unsigned char* PyUnicode_1BYTE_DATA(object text)

cdef enum:
    # Added to the word of a text, a nest or an integer, so that it is not that of another kind of value.
    TEXT = 2
    NEST = 3
    INTEGER = 4
    # In place of the word of a name.
    USER = 5
    ITEM = 6
    AVAILABLE = 7
    # Learners refuse deeper nests; what is in them does not count.
    DEPTH_MAX = 100

# Types whose comparison spares most events `isinstance`.
cdef object FEATURES = FeatureEvent
cdef object RATING = RatingEvent
cdef object ITEM_EVENT = ItemEvent


cdef inline uint64_t text_word(str text) except? 0:
    """Word of a text encoded as UTF-8; raises UnicodeEncodeError for a text that cannot be."""
    cdef Py_ssize_t n
    cdef const char* data
    if PyUnicode_IS_COMPACT_ASCII(text):
        return word_of_bytes(PyUnicode_1BYTE_DATA(text), PyUnicode_GET_LENGTH(text))
    data = PyUnicode_AsUTF8AndSize(text, &n)
    return word_of_bytes(<const unsigned char*>data, n)


cdef uint64_t text_hash(str text) except? 0:
    """Hash of a text."""
    return mixed(text_word(text))


cdef uint64_t id_hash_of(object id) except? 0:
    """Hash of an id: a text, or an integer, which is another id than its digits."""
    cdef int overflow = 0
    cdef long long number
    if PyUnicode_CheckExact(id):
        return mixed(text_word(<str>id))
    if isinstance(id, int):
        number = PyLong_AsLongLongAndOverflow(id, &overflow)
        return mixed(mixed(<uint64_t>number if not overflow else text_word(str(id))) + INTEGER)
    return mixed(text_word(str(id)))


cdef uint64_t value_hash(uint64_t name, object value, int depth) except? 0:
    """Hash of a value under the word of its name; 0 where it is missing."""
    cdef double number
    if PyUnicode_Check(value):
        return hash_word(name, mixed(text_word(value if PyUnicode_CheckExact(value) else str(value)) + TEXT))
    if is_plain(value):
        number = plain_number(value)
        return hash_number(name, number) if number == number else 0
    if isinstance(value, (list, tuple)):
        value = dict(enumerate(value))
    if isinstance(value, dict):
        return hash_word(name, mixed(features_hash(value, depth + 1) + NEST)) if depth < DEPTH_MAX else 0
    # A format may give numbers of another type.
    return hash_number(name, float(value)) if hasattr(value, "__float__") else hash_word(name, text_hash(repr(value)))


cdef uint64_t features_hash(dict x, int depth) except? 0:
    """Sum of the hashes of the features, so that their order does not count."""
    cdef Py_ssize_t position = 0
    cdef PyObject* key
    cdef PyObject* value
    cdef uint64_t total = 0, name
    cdef double number
    while PyDict_Next(x, &position, &key, &value):
        name = text_word(<str>key if PyUnicode_CheckExact(<object>key) else str(<object>key))
        if PyFloat_CheckExact(<object>value):
            number = PyFloat_AS_DOUBLE(<object>value)
            # What is not a number is missing.
            total += hash_number(name, number) if number == number else 0
        elif PyUnicode_CheckExact(<object>value):
            total += hash_word(name, mixed(text_word(<str>value) + TEXT))
        else:
            total += value_hash(name, <object>value, depth)
    return total


cdef uint64_t event_hash(object event, double target) except? 0:
    """Hash of the content of an event with a label, which is `target` unless that is not a number, or about an item."""
    cdef object x
    cdef uint64_t label
    if type(event) is ITEM_EVENT:
        # No attributes are others than none that are said.
        return hash_word(ITEM, id_hash_of(event.item)) + (
            0 if event.available is None else hash_number(AVAILABLE, event.available)) + (
            0 if event.x is None else mixed(features_hash(event.x, 0) + NEST))
    label = label_hash(target) if target == target else value_hash(LABEL, event.y, 0)
    if type(event) is RATING or (type(event) is not FEATURES and isinstance(event, RATING)):
        return label + hash_word(USER, id_hash_of(event.user)) + hash_word(ITEM, id_hash_of(event.item))
    x = event.x
    return label + features_hash(x if type(x) is dict else dict(x), 0)


def content_hash(event):
    """Hash of the content of an event with a label.

    Args:
        event: A `FeatureEvent`, `RatingEvent` or `ItemEvent`.

    Example:
        >>> from edgedescent.formats import FeatureEvent
        >>> once = content_hash(FeatureEvent({"temp": 21, "on": True}, 3.2, id=7))
        >>> once == content_hash(FeatureEvent({"on": 1.0, "temp": 21.0}, 3.2, id=9))
        True
        >>> once == content_hash(FeatureEvent({"temp": 21, "on": True}, 3.3, id=7))
        False
    """
    return event_hash(event, plain_number(event.y) if is_plain(event.y) else NAN)


def id_hash(event_id):
    """Hash of the id of an event: 1 is another one than "1"."""
    return id_hash_of(event_id)
