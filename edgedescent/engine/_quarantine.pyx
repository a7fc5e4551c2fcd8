"""Quarantine of events that no stream brings of its own accord: floods of new names, and absurd labels."""
import numpy as np

from libc.math cimport INFINITY

from edgedescent.numerics._median cimport median

from edgedescent.errors import InvalidEventError

cdef enum:
    # An event of fewer new names is never held back.
    NAMES_MIN = 1024
    # Nor is one of fewer than so many times the names of the widest event so far.
    NAMES_FACTOR = 8
    # Nor is any of the first events.
    EVENTS_FIRST = 100
    # After so many held events in a row, the stream is believed.
    HELD_MAX = 500
    # A held event counts as much as so many others that are not held.
    HELD_WEIGHT = 4
    N_NUMBERS = 7

# So many times as large as all before, no label is believed.
cdef double ABSURD = 10_000.0


cdef class Quarantine:
    """Holds events back that would make a model forget, until there are so many that they must be meant.

    It holds back an event

    - whose label has a magnitude of more than 10,000 times the largest so far. Labels of 0 are none of these, the first
      32 others are never held back, and their median is the first magnitude; each later label can at most double it.
      So a stream may change its unit by a factor of 1,000 or its zero point, and what has rested at 0 may begin to
      move; a constant, however large, with little noise is no reason either;
    - with more than 1,024 new names, and more than 8 times the names of the widest event so far, unless it is one of
      the first 100.

    After 500 of one kind in a row, the next is let in and what is usual is measured by it. Where others come between
    them, each of these takes back a quarter of an event, so that a stream of which more than a fifth is held back gets
    in sooner or later, and a few bad events a day never do.

    Args:
        enabled: False to hold nothing back; what is usual is measured all the same.
    """

    def __init__(self, bint enabled=True):
        self.enabled = enabled
        self.restore(np.zeros(N_NUMBERS + LABELS_FIRST))

    cdef bint _holds_label(self) noexcept nogil:
        """As `holds_label`, for a label beyond the limit."""
        if not self.enabled:
            return False
        self.label_level += HELD_WEIGHT
        if self.label_level <= HELD_WEIGHT * HELD_MAX:
            return True
        self.n_lifted += 1
        self.label_level = 0
        return False

    cdef void _note_label(self, double magnitude) noexcept nogil:
        """As `note_label`, for a magnitude that is larger than the largest so far."""
        if self.n_first < LABELS_FIRST:
            self.first[self.n_first] = magnitude
            self.n_first += 1
            if self.n_first < LABELS_FIRST:
                return
            self.magnitude = median(self.first, LABELS_FIRST)
        elif self.magnitude < magnitude <= 2.0 * self.magnitude or magnitude > self.limit:
            # Beyond the limit it was let in, for good.
            self.magnitude = magnitude
        else:
            self.magnitude *= 2.0
        self.limit = ABSURD * self.magnitude

    cdef bint _holds_names(self, Py_ssize_t n, Py_ssize_t n_new) noexcept nogil:
        """As `holds_names`, for an event that is wider than all so far."""
        cdef Py_ssize_t usual = NAMES_FACTOR * self.widest
        if self.enabled and self.n_events >= EVENTS_FIRST and n_new > NAMES_MIN and n_new > usual:
            self.name_level += HELD_WEIGHT
            if self.name_level <= HELD_WEIGHT * HELD_MAX:
                return True
            self.n_lifted += 1
            self.name_level = 0
        elif self.name_level:
            self.name_level -= 1
        self.n_events += 1
        self.widest = n
        return False

    def save(self):
        """The measures of what is usual so far, and the first labels, as one array."""
        numbers = [self.magnitude, self.n_first, self.widest, self.n_events, self.label_level, self.name_level,
                   self.n_lifted]
        return np.array(numbers + [self.first[i] for i in range(LABELS_FIRST)], dtype=np.float64)

    def restore(self, values):
        """Restore what `save` returned.

        Raises:
            ValueError: If it is not as many finite numbers, or one of them cannot be.
        """
        cdef int i
        if (values.shape != (N_NUMBERS + LABELS_FIRST,) or not np.isfinite(values).all() or (values < 0.0).any()
                or values[1] > LABELS_FIRST or (values[4:6] > HELD_WEIGHT * HELD_MAX).any()):
            raise ValueError(f"The state of the quarantine cannot be {values!r:.200}.")
        self.magnitude = values[0]
        self.limit = ABSURD * self.magnitude if self.magnitude > 0.0 else INFINITY
        (self.n_first, self.widest, self.n_events, self.label_level, self.name_level,
         self.n_lifted) = map(int, values[1:N_NUMBERS].tolist())
        for i in range(LABELS_FIRST):
            self.first[i] = values[N_NUMBERS + i]


def absurd_label(Quarantine quarantine not None, double y):
    """The error of an event that is held back for its label."""
    return InvalidEventError(
        "quarantined",
        f"The label {y:g} is more than {ABSURD:.0f} times as large as any before, which are up to "
        f"{quarantine.magnitude:.3g}.",
    )


def flood_of_names(Quarantine quarantine not None, Py_ssize_t n_new):
    """The error of an event that is held back for its names."""
    return InvalidEventError(
        "quarantined",
        f"The event brings {n_new} new names; the widest event before has {quarantine.widest} names.",
    )
