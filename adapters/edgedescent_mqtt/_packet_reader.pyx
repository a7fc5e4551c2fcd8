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


# Bytes of each property that a PUBLISH may have (2.2.2.2); text has a length before it, and binary data too.
cdef enum:
    PAYLOAD_FORMAT = 0x01
    MESSAGE_EXPIRY = 0x02
    CONTENT_TYPE = 0x03
    RESPONSE_TOPIC = 0x08
    CORRELATION_DATA = 0x09
    SUBSCRIPTION_IDENTIFIER = 0x0B
    TOPIC_ALIAS = 0x23
    USER_PROPERTY = 0x26


cdef object with_properties(str topic, bytes payload, int packet_id, int qos, bint duplicate, long long generation,
                            const unsigned char* data, Py_ssize_t at, Py_ssize_t end):
    """Delivery with what its properties from `at` to `end` say: subscription identifiers (3.3.2.3.8), response topic
    (3.3.2.3.5) and correlation data (3.3.2.3.6); the others are skipped.
    """
    cdef list found = []
    cdef str response_topic = ""
    cdef bytes correlation = b""
    cdef Py_ssize_t number, size
    cdef int kind, texts
    while at < end:
        kind, texts = data[at], 0
        at += 1
        if kind == SUBSCRIPTION_IDENTIFIER:
            number = variable_length(data, &at, end)
            if number < 0:
                raise ValueError("a malformed property")
            found.append(number)
        elif kind == PAYLOAD_FORMAT:
            at += 1
        elif kind == MESSAGE_EXPIRY:
            at += 4
        elif kind == TOPIC_ALIAS:
            at += 2
        elif kind == CONTENT_TYPE or kind == RESPONSE_TOPIC or kind == CORRELATION_DATA:
            texts = 1
        elif kind == USER_PROPERTY:
            texts = 2
        else:
            raise ValueError("a malformed property")
        while texts and at + 2 <= end:
            size = (data[at] << 8) + data[at + 1]
            at += 2 + size
            texts -= 1
            if at > end:
                break
            if kind == RESPONSE_TOPIC:
                response_topic = text(data[at - size : at])
            elif kind == CORRELATION_DATA:
                correlation = data[at - size : at]
        if texts or at > end:
            raise ValueError("a malformed property")
    return Delivery(topic, payload, packet_id, qos, duplicate, generation, tuple(found), False, response_topic,
                    correlation)


def take_events(bytes data, Py_ssize_t at, long long generation, *, bint five, Py_ssize_t count_max,
                Py_ssize_t bytes_max):
    """Take the PUBLISH packets from `at` on, up to the first packet of another type or one that is not complete.

    A PUBLISH with QoS 2 counts as another type: nobody subscribes with it, so paho may handle it.

    Args:
        data: Received bytes.
        at: Index at which a packet begins.
        generation: Number of the connection.
        five: True if the packets have the properties of MQTT 5.
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
        if length:
            events.append(with_properties(topic, data[place + length : end], packet_id, qos, head & 0x08 != 0,
                                          generation, raw, place, place + length))
        else:
            events.append(Delivery(topic, data[place : end], packet_id, qos, head & 0x08 != 0, generation))
        at = end
        n += 1
    return events, at
