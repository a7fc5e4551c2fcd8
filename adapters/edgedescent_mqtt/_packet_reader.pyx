"""Reader of PUBLISH packets, many at a time (MQTT 5, section 3.3)."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memcmp

from edgedescent.interfaces import Delivery


cdef Py_ssize_t variable_length(const unsigned char* data, Py_ssize_t* at, Py_ssize_t end) except -2:
    """Read a variable byte integer (1.5.5) and move `at` behind it; returns -1 where it is not complete."""
    cdef Py_ssize_t value = 0
    cdef int i
    for i in range(4):
        if at[0] >= end:
            return -1
        value |= <Py_ssize_t>(data[at[0]] & 127) << 7 * i
        at[0] += 1
        if data[at[0] - 1] < 128:
            return value
    raise ValueError("a malformed length")


cdef str text(bytes name):
    try:
        return name.decode()
    except UnicodeDecodeError:
        return "\N{REPLACEMENT CHARACTER}"


def take_events(bytes data, Py_ssize_t at, long long generation, *, bint five, Py_ssize_t count_max,
                Py_ssize_t bytes_max):
    """Take the PUBLISH packets from `at` on, up to the first packet of another type or one that is not complete.

    A PUBLISH with QoS 2 counts as another type: nobody subscribes with it, so paho may handle it.

    Args:
        data: Received bytes.
        at: Index at which a packet begins.
        generation: Number of the connection.
        five: True if the packets have the properties of MQTT 5, which are skipped.
        count_max: Most events to take.
        bytes_max: Size of packets after which to stop.

    Returns:
        The events, and the index at which the next packet begins.

    Raises:
        ValueError: If a packet is malformed.
    """
    cdef const unsigned char* raw = <const unsigned char*>PyBytes_AS_STRING(data)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(data), until = at + bytes_max, n = 0, place, end, length
    cdef Py_ssize_t name = 0, name_length = 0
    cdef int head, qos, packet_id
    cdef list events = []
    cdef str topic = ""
    while n < count_max and at < until and at < size:
        head, place = raw[at], at + 1
        if head & 0xF4 != 0x30:
            break
        length = variable_length(raw, &place, size)
        end = place + length
        if length < 0 or end > size:
            break
        qos, packet_id = head >> 1 & 1, 0
        length = 2 + (raw[place] << 8) + raw[place + 1] if place + 2 <= end else size
        if place + length + 2 * qos > end:
            raise ValueError("an event that is longer than its packet")
        # Most events have the topic of the event before, which is then not decoded again.
        if length != name_length or memcmp(raw + name, raw + place, length) != 0:
            name, name_length = place, length
            topic = text(data[place + 2 : place + length])
        place += length
        if qos:
            packet_id = (raw[place] << 8) + raw[place + 1]
            place += 2
        length = variable_length(raw, &place, end) if five else 0
        if length < 0 or place + length > end:
            raise ValueError("an event that is longer than its packet")
        events.append(Delivery(topic, data[place + length : end], packet_id, qos, head & 0x08 != 0, generation))
        at = end
        n += 1
    return events, at
