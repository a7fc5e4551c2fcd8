"""Window of the latest messages, by which further copies of one message for overlapping subscriptions are recognized."""
import numpy as np

from libc.stdint cimport int64_t, uint64_t

cdef enum:
    # Number of a message without a subscription identifier, and of one with several, which has no copies.
    PLAIN = 0
    COMBINED = -1


cdef class CopyWindow:
    """The latest messages: hashes of topic and payload, and the subscription that each came for.

    A broker may send a message once for each subscription that it matches (MQTT 5, section 3.3.4), one copy after the
    other. A subscription identifier tells for which. So a message is a copy if the newest of the same content has not
    come for its subscription yet. That it is decided here, by what is in the journal, makes it hold after a crash
    between two copies and after a change of the subscriptions.

    Sixteen messages are remembered, and one takes a look at them only where identifiers are in use.
    """

    def __cinit__(self):
        self._clear()

    cdef void _clear(self) noexcept nogil:
        """Forget all messages."""
        self.n_added, self.numbered_at = 0, -COPIES_WINDOW - 1

    cdef bint _note(self, uint64_t word, tuple subscriptions) except -1:
        """Add a message by the hash of its content; returns True if it is a copy of another one."""
        cdef int64_t number = PLAIN, first = -1, slot = self.n_added % COPIES_WINDOW
        if subscriptions:
            number = subscriptions[0] if len(subscriptions) == 1 else COMBINED
            self.numbered_at = self.n_added
        if number != COMBINED and self.n_added - self.numbered_at <= COPIES_WINDOW:
            first = self._find(word, number)
        self.words[slot], self.numbers[slot] = word, number
        self.firsts[slot] = self.n_added if first < 0 else first
        self.n_added += 1
        return first >= 0

    cdef int64_t _find(self, uint64_t word, int64_t number) noexcept nogil:
        """Number of the newest message with this content that has not come for a subscription; -1 if there is none."""
        cdef int64_t oldest = max(self.n_added - COPIES_WINDOW, 0), at, other
        cdef bint is_known
        for at in range(self.n_added - 1, oldest - 1, -1):
            if self.words[at % COPIES_WINDOW] != word or self.firsts[at % COPIES_WINDOW] != at:
                continue
            is_known = False
            for other in range(at, self.n_added):
                if self.firsts[other % COPIES_WINDOW] == at:
                    is_known |= self.numbers[other % COPIES_WINDOW] in (number, COMBINED)
            if not is_known:
                return at
        return -1

    def note(self, uint64_t word, tuple subscriptions):
        """Add a message; returns True if it is a copy of another one.

        Args:
            word: hash of its topic and payload.
            subscriptions: subscription identifiers that it carries.

        Example:
            >>> window = CopyWindow()
            >>> [window.note(7, (number,)) for number in (1, 2, 1, 2)]
            [False, True, False, True]
        """
        return self._note(word, subscriptions)

    def save(self):
        """Hash, subscription and number of the first copy of each message in a column, the oldest first."""
        n = min(self.n_added, COPIES_WINDOW)
        rows = np.zeros((3, n), np.int64)
        cdef int64_t i, at, oldest = self.n_added - n
        for i in range(n):
            at = (oldest + i) % COPIES_WINDOW
            rows[0, i], rows[1, i] = <int64_t>self.words[at], self.numbers[at]
            # Of what is forgotten, the number does not matter.
            rows[2, i] = max(self.firsts[at] - oldest, -1)
        return rows

    def restore(self, rows):
        """Restore what `save` returned.

        Raises:
            ValueError: if it cannot have returned that.
        """
        if rows.ndim != 2 or len(rows) != 3 or rows.shape[1] > COPIES_WINDOW:
            raise ValueError(f"{rows.shape} are not the latest messages.")
        self._clear()
        cdef int64_t at
        for word, number, first in rows.T.tolist():
            at = self.n_added
            self.words[at], self.numbers[at], self.firsts[at] = <uint64_t><int64_t>word, number, first
            if number != PLAIN:
                self.numbered_at = at
            self.n_added += 1
