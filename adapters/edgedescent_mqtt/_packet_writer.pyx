"""Writer of PUBLISH packets, many at a time (MQTT 5, section 3.3)."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcpy

# Bytes of the longest variable byte integer (1.5.5).
cdef enum:
    LENGTH_BYTES_MAX = 4


cdef Py_ssize_t write_length(unsigned char* to, Py_ssize_t length) noexcept:
    """Write a length below 128^4 as a variable byte integer; returns the number of its bytes."""
    cdef Py_ssize_t n = 0
    while length >= 128:
        to[n] = length & 127 | 128
        length >>= 7
        n += 1
    to[n] = <unsigned char>length
    return n + 1


cdef Py_ssize_t length_size(Py_ssize_t length) noexcept:
    """Number of bytes that `write_length` writes."""
    return 1 + (length >= 1 << 7) + (length >= 1 << 14) + (length >= 1 << 21)


def length_bytes(Py_ssize_t length):
    """Return a length below 128^4 as a variable byte integer (1.5.5).

    >>> length_bytes(128).hex(" ")
    '80 01'
    """
    cdef unsigned char[LENGTH_BYTES_MAX] written
    return PyBytes_FromStringAndSize(<char*>written, write_length(written, length))


def packets_of(int kind, bytes head, payloads):
    """Return PUBLISH packets with QoS 0, one after the other.

    Args:
        kind: First byte of each.
        head: What stands between the length and the payload: topic, and for MQTT 5 the properties.
        payloads: The payloads.

    Raises:
        ValueError: If a payload is longer than the standard allows.
    """
    cdef bytes payload, written
    cdef Py_ssize_t size = PyBytes_GET_SIZE(head), total = 0, n
    cdef unsigned char* to
    for payload in payloads:
        n = size + PyBytes_GET_SIZE(payload)
        if n >= 1 << 7 * LENGTH_BYTES_MAX:
            raise ValueError(f"A message of {n} bytes is too long for MQTT.")
        total += 1 + length_size(n) + n
    written = PyBytes_FromStringAndSize(NULL, total)
    to = <unsigned char*>PyBytes_AS_STRING(written)
    for payload in payloads:
        n = PyBytes_GET_SIZE(payload)
        to[0] = <unsigned char>kind
        to += 1
        to += write_length(to, size + n)
        memcpy(to, PyBytes_AS_STRING(head), size)
        memcpy(to + size, PyBytes_AS_STRING(payload), n)
        to += size + n
    return written
