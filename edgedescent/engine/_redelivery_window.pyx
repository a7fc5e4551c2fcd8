"""Window of recent messages, by which one that the broker sends again is recognized."""
import numpy as np

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint64_t

from edgedescent.features._hash cimport hash_text, siphash

# Spreads a number over 64 bits (Knuth 6.4: multiplication by the golden ratio).
cdef uint64_t ODD = 0x9E3779B97F4A7C15


cdef inline uint64_t key(uint64_t packet_id, str topic, bytes payload) except? 0:
    cdef uint64_t content = siphash(<const unsigned char*>PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload))
    return content + (hash_text(topic) + packet_id) * ODD


cdef class RedeliveryWindow:
    """Set of the last messages with a packet id, as hashes of packet id, topic and payload.

    It recognizes repeats whose events have no ids. A broker sends again only messages that it sent recently and that
    were not acknowledged, so a window of as many messages as it may send ahead recognizes all of them. Looking up a
    message scans the window, but only messages that the broker marks as sent again are looked up.

    Args:
        window: number of messages that are remembered, in 8 bytes each.
    """

    cdef readonly Py_ssize_t window
    cdef readonly long long n_added
    cdef uint64_t[::1] ring

    def __init__(self, Py_ssize_t window):
        self.window = window
        self.restore(np.zeros(0, np.uint64), 0)

    cpdef bint add(self, uint64_t packet_id, str topic, bytes payload) except -1:
        """Add a message; the oldest is dropped."""
        self.ring[self.n_added % self.window] = key(packet_id, topic, payload)
        self.n_added += 1
        return True

    cpdef bint holds(self, uint64_t packet_id, str topic, bytes payload) except -1:
        """True if a message is in the window."""
        cdef uint64_t wanted = key(packet_id, topic, payload)
        cdef Py_ssize_t i
        for i in range(min(self.n_added, self.window)):
            if self.ring[i] == wanted:
                return True
        return False

    def save(self):
        """Hashes of the messages, oldest first."""
        ring = np.asarray(self.ring)
        if self.n_added <= self.window:
            return np.array(ring[: self.n_added])
        return np.roll(ring, -(self.n_added % self.window))

    def restore(self, keys, long long n_added):
        """Restore what `save` returned.

        Args:
            keys: hashes of the messages, oldest first.
            n_added: number of messages that were ever added.

        Raises:
            ValueError: if there are more hashes than that.
        """
        if n_added < len(keys):
            raise ValueError(f"{len(keys)} messages are not the newest of {n_added}.")
        # A window of another size than the saved one starts with the newest.
        newest = keys[max(len(keys) - self.window, 0) :]
        self.n_added = n_added - len(newest) if len(newest) == self.window else 0
        ring = np.zeros(self.window, np.uint64)
        ring[(self.n_added + np.arange(len(newest))) % self.window] = newest
        self.ring = ring
        self.n_added += len(newest)
