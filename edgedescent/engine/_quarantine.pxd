"""Quarantine of events that no stream brings of its own accord: floods of new names, and absurd labels."""
from cython cimport final
from libc.math cimport fabs

from edgedescent.numerics._numbers cimport is_sane

cdef enum:
    # Labels that tell the usual magnitude.
    LABELS_FIRST = 32

@final
cdef class Quarantine:
    # Whether anything is held back.
    cdef public bint enabled
    # About the largest magnitude of a label so far; 0 until the first ones, other than 0, are there. The limit follows
    # from it.
    cdef double magnitude
    cdef double limit
    cdef double[LABELS_FIRST] first
    cdef int n_first
    # Names of the widest event so far, and the number of events.
    cdef Py_ssize_t widest
    cdef long long n_events
    # How much of the patience with held labels and with held names is used up.
    cdef long long label_level
    cdef long long name_level
    # How often it was found that the stream had changed.
    cdef readonly long long n_lifted

    cdef bint _holds_label(self) noexcept nogil
    cdef void _note_label(self, double magnitude) noexcept nogil
    cdef bint _holds_names(self, Py_ssize_t n, Py_ssize_t n_new) noexcept nogil

    # Inline, because they are called for each event.
    cdef inline bint holds_label(self, double y) noexcept nogil:
        """True if an event is held back for its label; to be called once for each event."""
        # The learner decides about targets that are no numbers to learn.
        return fabs(y) > self.limit and is_sane(y) and self._holds_label()

    cdef inline void note_label(self, double y) noexcept nogil:
        """Take in the label of an event that was learned."""
        cdef double magnitude = fabs(y)
        if self.label_level:
            self.label_level -= 1
        if magnitude > self.magnitude:
            self._note_label(magnitude)

    cdef inline bint holds_names(self, Py_ssize_t n, Py_ssize_t n_new) noexcept nogil:
        """True if an event of `n` names is held back, because `n_new` of them are new; it is noted otherwise."""
        if n <= self.widest:
            self.n_events += 1
            if self.name_level:
                self.name_level -= 1
            return False
        return self._holds_names(n, n_new)
