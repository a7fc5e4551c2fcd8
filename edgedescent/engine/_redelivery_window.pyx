"""Window of recent messages, by which one that the broker sends again is recognized."""
import numpy as np

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint16_t, uint64_t

from edgedescent.engine._copy_window cimport CopyWindow
from edgedescent.features._hash cimport hash_text, siphash

# Spreads a number over 64 bits (Knuth 6.4: multiplication by the golden ratio).
cdef uint64_t ODD = 0x9E3779B97F4A7C15

cdef enum:
    GONE = 0
    PACKET_ID_BITS = 16


cdef enum Repeat:
    IS_NEW, IS_AGAIN, IS_COPY

# What a message is to those before it.
NEW, AGAIN, COPY = IS_NEW, IS_AGAIN, IS_COPY


cdef inline uint64_t key(str topic, bytes payload) except? 0:
    cdef uint64_t content = siphash(<const unsigned char*>PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload))
    return content + hash_text(topic) * ODD


cdef class RedeliveryWindow:
    """The last messages with a packet id: hashes of topic and payload, packet ids and positions.

    It recognizes repeats whose events have no ids. A broker sends again, over a later connection, what was not
    acknowledged, under the same packet id (MQTT 5, section 4.4). Some brokers number the messages of each connection
    from 1. For them packet ids say nothing, so what counts is the content, once for each message that is not known to
    have been acknowledged.

    A window of as many messages as the broker may send ahead recognizes all of them, however often they are sent again:
    each has one place. Looking up a message scans the window, but only messages that the broker marks as sent again are
    looked up.

    Args:
        window: number of messages that are remembered, in 18 bytes each.
    """

    cdef readonly Py_ssize_t window
    cdef readonly long long n_added
    # Number of the session, position before the first message of the connection, and its first packet id.
    cdef int64_t session, connected_at, first_id
    cdef uint64_t[::1] keys
    cdef uint16_t[::1] packet_ids
    # Recognizes copies for other subscriptions.
    cdef readonly CopyWindow copies
    # Negative where the broker is known to have the acknowledgement, GONE where it belongs to an earlier session.
    cdef int64_t[::1] positions

    def __init__(self, Py_ssize_t window):
        self.window = window
        self.copies = CopyWindow()
        self.restore(np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros(4, np.int64))

    cpdef int connect(self, int64_t position, int64_t session, int64_t acknowledged, int64_t first_id) except -1:
        """Begin a connection.

        Args:
            position: position of its first message.
            session: number of the session; messages of an earlier one are never sent again.
            acknowledged: position up to which the broker is known to have the acknowledgements of the messages of the
                connection before.
            first_id: the first packet id.
        """
        cdef Py_ssize_t i
        if session != self.session:
            self.copies._clear()
        for i in range(min(self.n_added, self.window)):
            if session != self.session:
                self.positions[i] = GONE
            elif self.connected_at < self.positions[i] <= acknowledged:
                self.positions[i] = -self.positions[i]
        self.session, self.connected_at, self.first_id = session, position - 1, first_id
        return 0

    cpdef int note(self, int64_t position, uint16_t packet_id, str topic, bytes payload, bint duplicate,
                   tuple subscriptions=()) except -1:
        """Add a message, in place of the oldest or of itself; returns `AGAIN` if it was sent again and is known.

        One that is known keeps its place. So copies, however many come over one connection after another, push out no
        message that the broker still has.

        Args:
            position: position of the message.
            packet_id: its packet id; with 0 it is not added, because it is never sent again.
            topic: its topic.
            payload: its payload.
            duplicate: True if the broker says that it may have sent it before.
            subscriptions: subscription identifiers that it carries.

        Returns:
            `COPY` if it is a copy of another message for a further subscription, `AGAIN`, or `NEW`.
        """
        cdef uint64_t word = key(topic, payload)
        cdef Py_ssize_t known = self._find(word, packet_id) if duplicate else -1
        cdef Py_ssize_t slot = known if known >= 0 else self.n_added % self.window
        if packet_id > 0:
            self.keys[slot], self.packet_ids[slot], self.positions[slot] = word, packet_id, position
            self.n_added += known < 0
        if known >= 0:
            return IS_AGAIN
        return IS_COPY if self.copies._note(word, subscriptions) else IS_NEW

    cdef Py_ssize_t _find(self, uint64_t word, uint16_t packet_id) noexcept nogil:
        """Place of the message that is sent again; -1 if it is not known."""
        cdef Py_ssize_t n = min(self.n_added, self.window), i, at
        cdef bint anew = self.first_id == 1
        # The newest with this packet id is the one that the broker may still have.
        for i in range(n):
            at = (self.n_added - 1 - i) % self.window
            if self.positions[at] == GONE or self.packet_ids[at] != packet_id:
                continue
            if anew and -self.connected_at <= self.positions[at] <= self.connected_at:
                # It came over an earlier connection, where the id meant another message.
                continue
            if self.keys[at] == word:
                return at
            break
        if anew:
            for i in range(n):
                at = (self.n_added - n + i) % self.window
                if 0 < self.positions[at] <= self.connected_at and self.keys[at] == word:
                    return at
        return -1

    def save(self):
        """Hashes of the messages and their positions with packet ids, oldest first, and the state of the connection."""
        shift = 0 if self.n_added <= self.window else -(self.n_added % self.window)
        n = min(self.n_added, self.window)
        keys, packet_ids, positions = (np.asarray(self.keys), np.asarray(self.packet_ids), np.asarray(self.positions))
        places = np.sign(positions) * (np.abs(positions) << PACKET_ID_BITS | packet_ids)
        connection = np.array([self.n_added, self.session, self.connected_at, self.first_id], np.int64)
        return np.roll(keys, shift)[:n], np.roll(places, shift)[:n], connection

    def restore(self, keys, places, connection):
        """Restore what `save` returned.

        Args:
            keys: hashes of the messages, oldest first.
            places: their positions with packet ids.
            connection: number of messages that were ever added, session, start and first packet id of the connection.

        Raises:
            ValueError: if they do not belong together.
        """
        n_added, self.session, self.connected_at, self.first_id = connection.tolist()
        if not n_added >= len(keys) == len(places):
            raise ValueError(f"{len(keys)} messages are not the newest of {n_added}.")
        # A window of another size than the saved one starts with the newest.
        first = max(len(keys) - self.window, 0)
        n = len(keys) - first
        self.n_added = n_added - n if n == self.window else 0
        slots = (self.n_added + np.arange(n)) % self.window
        ring, placed = np.zeros(self.window, np.uint64), np.zeros(self.window, np.int64)
        ring[slots], placed[slots] = keys[first:], places[first:]
        self.keys = ring
        self.packet_ids = (np.abs(placed) & (1 << PACKET_ID_BITS) - 1).astype(np.uint16)
        self.positions = np.sign(placed) * (np.abs(placed) >> PACKET_ID_BITS)
        self.n_added += n
