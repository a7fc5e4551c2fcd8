"""Base of the models of named features: the steps that a learner calls for an event, and changes of scale."""
import numpy as np

# Errors are unusual where the recent ones are so many times the usual ones: after values became larger, which is
# conspicuous by itself, and after they became smaller, as those of a sensor that rests do too.
cdef double UNUSUAL_LARGER = 1.5
cdef double UNUSUAL_SMALLER = 2.0
# Mean absolute error, in standard deviations of the latest targets, from which on a model does not explain them well.
cdef double EXPLAINED = 0.25


cdef class FeatureModel:
    """Base of the models of named features.

    A learner fills the encoder with an event and calls, in this order: `check_target`, `prepare`, `start_new_rows` for
    new names, `learn`, and once the encoder's statistics have taken in the event, `after_update`.

    Args:
        encoder: Encoder of the events; it must not have learned anything yet.
        parameters: The learner, whose fields are the hyper-parameters.

    Raises:
        ValueError: If the encoder has learned events already.
    """

    def __init__(self, Encoder encoder, parameters):
        if encoder.n_events:
            raise ValueError(f"A model cannot join an encoder that has learned {encoder.n_events} events.")
        self.encoder = encoder
        self.rows = encoder.scaler.rows
        self.kept_error = &self.no_error

    cdef int check_target(self, double y) except -1:
        """Raise ValueError for a target that the model cannot learn."""
        return 0

    cdef int prepare(self) except -1:
        """Make room for learning the encoder's event, so that nothing can fail half way."""
        return 0

    cdef void start_new_rows(self) noexcept nogil:
        """Give the parameters of the event's new features their first values."""

    cdef double predict(self, const EncodedEvent* event) noexcept nogil:
        """Return the prediction for a standardized event; nothing that is state changes."""
        return 0.0

    cdef double predict_past(self, const EncodedEvent* event) noexcept nogil:
        """Return the prediction for an event that is about to be learned, from what was known when it was predicted."""
        return self.predict(event)

    cdef double learn(self, double y) noexcept nogil:
        """Learn the encoder's event; returns the prediction before it."""
        return 0.0

    cdef void after_update(self, double y) noexcept nogil:
        """Take in the target, once the encoder's statistics have taken in the event."""

    # --- Changes of scale -----------------------------------------------------------------------------------------

    cdef bint is_unusual(self, int change) noexcept nogil:
        """Return True if the errors say that features have changed, whose values became larger (1) or smaller (-1).

        What changes together with the target has changed in any case.
        """
        return self.target_changed or self.recent_error > (UNUSUAL_LARGER if change > 0 else UNUSUAL_SMALLER) * self.usual_error

    cdef bint is_unexplained(self, int change, double deviation) noexcept nogil:
        """Return True if the errors say that the target has changed.

        Args:
            change: 1 if the targets became larger, -1 if they became smaller.
            deviation: Standard deviation of the latest targets, with which errors become smaller too.
        """
        return self.is_unusual(1) if change > 0 else self.recent_error > EXPLAINED * deviation

    cdef bint follow_target(self, Scaler target) noexcept nogil:
        """Follow a change of scale that was found in the statistics of the target, if the errors confirm it.

        Returns:
            True if the statistics were replaced. False if they stay, because such targets are usual.
        """
        cdef double deviation = target.block_deviation(0)
        target.found = False
        if not self.is_unexplained(target.change(0), deviation):
            target.leave(0)
            return False
        # The recent errors are in the new scale already.
        self.usual_error *= deviation / target.deviation[0]
        target.follow_change(0)
        self.target_changed = True
        return True

    cdef void follow_change(self, Py_ssize_t row) noexcept nogil:
        """Keep the parameters of a row, whose statistics were replaced, as a first guess: they hold for standardized values.

        If the unit has changed, they are right. If not, they have to be learned as fast as those of a new feature.
        """

    cdef void begin_anew(self) noexcept nogil:
        """Let go of what holds in the former scale only, such as stored events, after features have changed.

        The mean errors stay: features that change at the same time may be recognized one after the other.
        """

    # --- State ----------------------------------------------------------------------------------------------------

    cdef int check_steps(self) except -1:
        """Raise the first exception of a part that is written in Python since the last check."""
        return 0

    def counts(self):
        """Return what the model counts, by the names of the metrics."""
        return {}

    def save(self):
        """Return the learned arrays, by their names in a learner's state."""
        return {"errors": np.array([self.recent_error, self.usual_error, self.n_errors])}

    def restore(self, dict state):
        """Restore what `save` returned, once the encoder is restored; raises ValueError where it is inconsistent."""
        errors = state["errors"]
        if len(errors) != 3 or (errors < 0.0).any():
            raise ValueError(f"The state's `errors` must be 3 numbers >= 0. Got {errors!r}.")
        self.recent_error, self.usual_error, n_errors = errors.tolist()
        self.n_errors = int(n_errors)
