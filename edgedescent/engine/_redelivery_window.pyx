"""Recognizing a message that the broker sends once more, also where its events have no ids."""
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
    """The most recent messages with a packet id, by it and 64-bit hashes of their topic and payload.

    A broker sends again only what it sent lately and was not told to forget: a window of as many messages as it may
    send ahead recognizes all of it. What is looked for in vain costs a look through the window; that happens only
    where the broker says that it sends something again.

    Args:
        window: how many messages are remembered, in 8 bytes each.
    """

    cdef readonly Py_ssize_t window
    cdef readonly long long n_added
    cdef uint64_t[::1] ring

    def __init__(self, Py_ssize_t window):
        self.window = window
        self.restore(np.zeros(0, np.uint64), 0)

    cpdef bint add(self, uint64_t packet_id, str topic, bytes payload) except -1:
        """Remember a message; the oldest gives way."""
        self.ring[self.n_added % self.window] = key(packet_id, topic, payload)
        self.n_added += 1
        return True

    cpdef bint holds(self, uint64_t packet_id, str topic, bytes payload) except -1:
        """Whether a message is remembered."""
        cdef uint64_t wanted = key(packet_id, topic, payload)
        cdef Py_ssize_t i
        for i in range(min(self.n_added, self.window)):
            if self.ring[i] == wanted:
                return True
        return False

    def save(self):
        """The keys, oldest first."""
        ring = np.asarray(self.ring)
        if self.n_added <= self.window:
            return np.array(ring[: self.n_added])
        return np.roll(ring, -(self.n_added % self.window))

    def restore(self, keys, long long n_added):
        """Take what `save` returned, `n_added` being how many were ever added.

        Raises:
            ValueError: if so many cannot be the newest of those.
        """
        if n_added < len(keys):
            raise ValueError(f"{len(keys)} messages are not the newest of {n_added}.")
        # A smaller window than when this was saved keeps the newest; a larger one begins anew with them.
        newest = keys[max(len(keys) - self.window, 0) :]
        self.n_added = n_added - len(newest) if len(newest) == self.window else 0
        ring = np.zeros(self.window, np.uint64)
        ring[(self.n_added + np.arange(len(newest))) % self.window] = newest
        self.ring = ring
        self.n_added += len(newest)
