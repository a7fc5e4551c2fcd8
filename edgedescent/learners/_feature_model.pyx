"""What a learner of named features calls on its models."""


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

    cdef double learn(self, double y) noexcept nogil:
        """Learn the encoder's event; returns the prediction before it."""
        return 0.0

    cdef void after_update(self, double y) noexcept nogil:
        """Take in the target, once the encoder's statistics have taken in the event."""

    cdef int check_steps(self) except -1:
        """Raise the first exception of a part that is written in Python since the last check."""
        return 0

    def counts(self):
        """Return what the model counts, by the names of the metrics."""
        return {}

    def save(self):
        """Return the learned arrays, by their names in a learner's state."""
        return {}

    def restore(self, dict state):
        """Restore what `save` returned, once the encoder is restored; raises ValueError where it is inconsistent."""
