"""Base class of the compiled models of users and items; a kind of model overrides all of it."""


cdef class RecommenderModel:
    """Base class of the models over an encoder of ids.

    Args:
        encoder: what the model reads events from.
    """

    def __init__(self, IdEncoder encoder):
        self.encoder = encoder
        self.head = 0
        self.learns_from_prediction = True

    cdef double usable_target(self, double y) noexcept nogil:
        """The target if it can be learned; NaN if it must be skipped."""
        return y

    cdef double predict(self, Py_ssize_t u, Py_ssize_t i) noexcept nogil:
        """The prediction for a pair of rows."""
        return 0.0

    cdef int prepare(self) except -1:
        """Make room for a new user and a new item, and read what the event would change, before either is registered."""
        return 0

    cdef int start_new_rows(self) except -1:
        """Give the rows of new ids their first values."""
        return 0

    cdef void learn(self, double y) noexcept nogil:
        """Learn the encoder's event."""

    cdef int check(self) except -1:
        """Raise the error of a part that is written in Python."""
        return 0

    cdef void begin_scoring(self, Py_ssize_t u) noexcept nogil:
        """Read what `score_items` needs of a user."""

    cdef void score_items(self, Py_ssize_t u, Py_ssize_t begin, Py_ssize_t n, double* scores) noexcept nogil:
        """Fill in the scores of `n` rows of items from `begin`, for the user of `begin_scoring`."""

    cdef double rescore(self, Py_ssize_t u, Py_ssize_t i) noexcept nogil:
        """The score that decides among the best `head` items, for the user of `begin_scoring`."""
        return 0.0

    def save(self):
        """Learned arrays of the model, by their names in a learner's state."""
        raise NotImplementedError

    def restore(self, dict state):
        """Take what `save` returned, once the encoder is restored; raises ValueError where it is inconsistent."""
        raise NotImplementedError
