"""Whether replayed events still agree with new ones, judged by the errors of a model on both."""
import numpy as np

# Rates of the mean errors: of about the last 10 and 500 new events, and of what was replayed after the last 50.
cdef double RECENT_RATE = 0.1
cdef double USUAL_RATE = 0.002
cdef double REPLAYED_RATE = 0.02
# A single error counts for at most so many usual ones, so that no outlier decides alone.
cdef double OUTLYING = 10.0
# The events no longer agree where the recent error is so many times the replayed one, and so many times the usual one.
# Both, because the error on replayed events of an overfitted model is always small.
cdef double DISAGREES = 5.0
cdef double UNUSUAL = 4.0


cdef class Agreement:
    """Detector of an abrupt change that has made replayed events wrong.

    With e the absolute error on a new event before it is learned, and r the mean absolute error on the events that are
    replayed after it::

        recent   <- recent + 0.1 (min(e, 10 usual) - recent)
        usual    <- usual + 0.002 (min(e, 10 usual) - usual)
        replayed <- replayed + 0.02 (r - replayed)
        let go where recent > 5 replayed and recent > 4 usual

    Right after an abrupt change the model still fits what it replays, but not what arrives. Noise and slow drifts raise
    both errors. The means start as plain averages, and nothing is let go in the first 100 events, nor in the 100 events
    after older ones were.
    """

    cdef void copy(self, Agreement other) noexcept nogil:
        """Take over the errors of another model; how often this one let go of events is its own."""
        self.recent, self.usual, self.replayed, self.count = other.recent, other.usual, other.replayed, other.count

    cdef void observe_new(self, double error) noexcept nogil:
        """Take in the error on a new event, before it is learned."""
        cdef double rate
        self.count += 1
        rate = 1.0 / self.count
        if self.count > JUDGED_AFTER and error > OUTLYING * self.usual:
            error = OUTLYING * self.usual
        self.recent += (rate if rate > RECENT_RATE else RECENT_RATE) * (error - self.recent)
        self.usual += (rate if rate > USUAL_RATE else USUAL_RATE) * (error - self.usual)

    cdef void observe_replayed(self, double error) noexcept nogil:
        """Take in the mean error on the events that were replayed after the latest event."""
        cdef double rate = 1.0 / self.count if self.count > 0 else 1.0
        self.replayed += (rate if rate > REPLAYED_RATE else REPLAYED_RATE) * (error - self.replayed)

    cdef bint let_go(self) noexcept nogil:
        """Return True if all but the newest `KEPT` events are to be let go; judging then begins anew."""
        if not (self.count > JUDGED_AFTER and self.recent > DISAGREES * self.replayed
                and self.recent > UNUSUAL * self.usual):
            return False
        self.count = 0
        self.n_let_go += 1
        return True

    def save(self):
        """Return the mean errors and the counts as one array."""
        return np.array([self.recent, self.usual, self.replayed, self.count, self.n_let_go])

    def restore(self, values):
        """Restore the array that `save` returned.

        Raises:
            ValueError: If it is not 5 finite numbers >= 0.
        """
        if len(values) != 5 or not np.isfinite(values).all() or (values < 0.0).any():
            raise ValueError(f"The state's `agreement` must be 5 numbers >= 0. Got {values!r}.")
        self.recent, self.usual, self.replayed, count, n_let_go = values.tolist()
        self.count, self.n_let_go = int(count), int(n_let_go)
