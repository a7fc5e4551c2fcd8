"""Base of the models of named features that descend a gradient: target statistics, steps and replay."""
import numpy as np

from libc.math cimport exp, fabs
from libc.stdint cimport uint64_t

from edgedescent.features._encoder cimport allocate_event, free_event
from edgedescent.features._scaler cimport BLOCK
from edgedescent.losses._losses cimport AS_IS, BY_MEAN, STANDARDIZED, logistic, make_loss, observe, restore_loss
from edgedescent.numerics._agreement cimport KEPT, Agreement
from edgedescent.numerics._numbers cimport EVENT_VALUES_MAX, bounded
from edgedescent.optim._average_rate cimport AverageRate


cdef class GradientModel(FeatureModel):
    """Parameters over the rows of an encoder, with their loss, optimizer and replay buffer.

    A subclass defines the score (`forward`), its gradient (`backward`) and its tables. Row 0 of every table belongs to
    the intercept.

    Args:
        encoder: what the model reads events from; it must not have learned anything yet.
        parameters: the learner whose fields are the hyper-parameters.
    """

    def __init__(self, Encoder encoder, parameters):
        FeatureModel.__init__(self, encoder, parameters)
        optimizer, loss = parameters.optimizer, parameters.loss
        # A target may be twice as far off as a feature before it is clipped.
        self.stepper = self.make_stepper(optimizer, parameters.l1)
        self.stepper.context.penalized = parameters.l2 > 0.0 and not optimizer.covariance_max
        self.predicts_apart = optimizer.averaging
        self.scales_itself = optimizer.scales_itself
        self.average_rate = AverageRate(optimizer.average_rate) if parameters.adapts_average and optimizer.averaging else None
        self.kept_error = &self.stepper.context.error
        self.replay_buffer = ReplayBuffer(parameters.replay_size if parameters.replay_steps else 0, parameters.seed)
        self.agreement = Agreement()
        if self.replay_buffer.size:
            # A wide event may be replayed at any time.
            encoder.room_kept = EVENT_VALUES_MAX
            self.keeps_events = True
        self.declared_loss = loss
        self.loss = make_loss(loss, &self.stepper.context.error)
        # A target may be twice as far off as a feature before it is clipped.
        self.target = Scaler(2.0 * parameters.clip, parameters.forgetting, 1, self.loss.scaling == STANDARDIZED)
        self.limits_targets = self.loss.scaling != STANDARDIZED
        self.l2 = parameters.l2
        if optimizer.covariance_max:
            # Its rule takes the inputs from the gradient, of which a penalty must not be a part.
            self.stepper.l2, self.l2 = self.l2, 0.0
        self.seed = parameters.seed
        self.replay_steps = parameters.replay_steps

    def __dealloc__(self):
        free_event(&self.replayed)

    # --- What a kind of model defines -----------------------------------------------------------------------------

    cdef Stepper make_stepper(self, optimizer, double l1):
        """Make the optimizer step of the model."""
        return Stepper(optimizer, l1)

    cdef double forward(self, const EncodedEvent* event, bint serving) noexcept nogil:
        """The score of an event, from the parameters that predict (`serving`) or those that are stepped."""
        return 0.0

    cdef void backward(self, const EncodedEvent* event, double slope) noexcept nogil:
        """Add the gradient of every parameter that the event touches to the step; `forward` was called before."""

    cdef int make_scratch(self, Py_ssize_t n) except -1:
        """Make room for the gradient of an event of `n` features."""
        return 0

    cdef int grow_tables(self, Py_ssize_t rows) except -1:
        """Make room for so many rows."""
        return 0

    cdef void start_row(self, Py_ssize_t row, uint64_t word) noexcept nogil:
        """Give the parameters of a new feature their first values; `word` seeds them."""

    cdef long long n_parameters(self, Py_ssize_t n) noexcept nogil:
        """Number of parameters that an event of `n` features visits."""
        return n

    # --- One event ------------------------------------------------------------------------------------------------

    cdef int check_target(self, double y) except -1:
        """Raise ValueError for a target that the loss is not defined for."""
        if self.loss.scaling == AS_IS and not 0.0 <= y <= 1.0:
            raise ValueError(f"The target of a logistic loss must lie between 0 and 1. Got {y!r}.")
        if self.loss.scaling == BY_MEAN and y < 0.0:
            raise ValueError(f"The target of a Poisson loss must be >= 0. Got {y!r}.")
        return 0

    cdef int prepare(self) except -1:
        """Make room for learning the encoder's event, so that nothing can fail half way."""
        cdef Encoder encoder = self.encoder
        if self.room != encoder.room:
            self.room = 0
            if self.replay_buffer.size:
                allocate_event(&self.replayed, encoder.room)
            self.make_scratch(encoder.room)
            self.room = encoder.room
        if self.rows < encoder.scaler.rows:
            self.grow_tables(encoder.scaler.rows)
            self.rows = encoder.scaler.rows
        if self.replay_buffer.size:
            self.replay_buffer.make_room(encoder.event.n)
        return 0

    cdef void start_new_rows(self) noexcept nogil:
        """Give the parameters of the event's new features their first values."""
        cdef Py_ssize_t j
        for j in range(self.encoder.n_new):
            # Seeded by the feature's own name: the first values depend on nothing that came before.
            self.start_row(self.encoder.new_rows[j], self.encoder.new_hashes[j] ^ self.seed)

    cdef double predict(self, const EncodedEvent* event) noexcept nogil:
        """The prediction for a standardized event."""
        return self.to_prediction(bounded(self.forward(event, True)))

    cdef double learn(self, double y) noexcept nogil:
        """Take one gradient step on the encoder's event; returns the prediction before it."""
        cdef const EncodedEvent* event = &self.encoder.event
        cdef double score, averaged, prediction, target
        # The gradient reads what `forward` leaves behind, so the pass that it belongs to comes last.
        if self.predicts_apart:
            averaged = bounded(self.forward(event, True))
            prediction = self.to_prediction(averaged)
            score = bounded(self.forward(event, False))
        else:
            averaged = score = bounded(self.forward(event, False))
            prediction = self.to_prediction(score)
        if self.encoder.n_events == 0 and self.loss.scaling == BY_MEAN:
            # The mean is the unit: without one, the first target sets it.
            self.target.update(&y, 0, 1)
        target = self.to_loss_target(y)
        if self.replay_buffer.size:
            self.agreement.observe_new(self._error(target, score))
        if self.average_rate is not None:
            self.average_rate.observe(self.loss.slope(&self.loss, target, averaged), score - averaged)
            self.stepper.average_rate = self.average_rate.rate
        self.descend(event, target, score)
        self.stepper.learned(&self.loss, target, score)
        observe(&self.loss, target, score)
        return prediction

    cdef void after_update(self, double y) noexcept nogil:
        """Take in the target and replay, once the encoder's statistics have taken in the event."""
        cdef const EncodedEvent* event = &self.encoder.event
        cdef Py_ssize_t row
        self.target.update(&y, 0, 1)
        if self.target.found and self.follow_target(self.target):
            for row in range(1, self.encoder.vocabulary.size()):
                self.reopen_row(row)
            self.begin_anew()
        if self.replay_buffer.size:
            self.replay_buffer.push(event.rows, event.x, event.n, y, self.encoder.n_events)
            self._replay()

    cdef void descend(self, const EncodedEvent* event, double target, double score) noexcept nogil:
        """Take one step along the gradient of the loss; `forward` was called for the same event before."""
        cdef double slope = self.loss.slope(&self.loss, target, score)
        cdef double share = 1.0 if event.n <= WIDE or self.scales_itself else <double>WIDE / event.n
        self.backward(event, slope)
        self.stepper.step(slope, &self.loss, target, score, share)

    cdef void accumulate(self, const EncodedEvent* event, double target, double score) noexcept nogil:
        """Learn from a replayed event: by a step of its own, or with others in one step."""
        self.descend(event, target, score)

    cdef void finish_batch(self) noexcept nogil:
        """Take the step of the replayed events that wait for one."""

    cdef int check_steps(self) except -1:
        """Raise the first exception from an optimizer or a loss written in Python since the last check."""
        return self.stepper.check()

    def counts(self):
        """Return how often updates were undone, as they would not have been finite, and the replay buffer was cleared."""
        return {"updates_undone": self.stepper.n_undone, "replays_let_go": self.agreement.n_let_go}

    cdef double to_prediction(self, double score) noexcept nogil:
        """The prediction that a score stands for."""
        if self.loss.scaling == AS_IS:
            return logistic(score)
        if self.loss.scaling == BY_MEAN:
            score = score if score < 20.0 else 20.0
            return self.target.mean[0] * exp(score)
        if self.target.variance[0] <= 0.0:
            return self.target.mean[0]
        return self.target.mean[0] + score / self.target.inverse[0]

    cdef double to_loss_target(self, double y) noexcept nogil:
        """A target as the loss compares it with a score, clipped where the statistics say that it is absurd."""
        if self.loss.scaling == AS_IS:
            return y
        if self.loss.scaling == BY_MEAN:
            return self.target.winsorized(y) / self.target.mean[0] if self.target.mean[0] > 0.0 else 1.0
        return self.target.standardized(y)

    cdef double _error(self, double target, double score) noexcept nogil:
        """Magnitude of an error: in deviations of the target, or in the unit of the slope of the loss."""
        return fabs(target - score if self.loss.scaling == STANDARDIZED else self.loss.slope(&self.loss, target, score))

    # --- Changes of scale -----------------------------------------------------------------------------------------

    cdef void reopen_row(self, Py_ssize_t row) noexcept nogil:
        """Keep the parameters of a row, but let the optimizer step them as if they were new."""

    cdef void reopen_rest(self) noexcept nogil:
        """The same for the parameters that do not belong to a feature."""

    cdef void follow_change(self, Py_ssize_t row) noexcept nogil:
        self.reopen_row(row)

    cdef void begin_anew(self) noexcept nogil:
        self.reopen_rest()
        self.loss.scale, self.loss.count = 1.0, 0.0
        # Those of the block whose statistics were taken over.
        self.replay_buffer.keep_newest(BLOCK)

    cdef void _replay(self) noexcept nogil:
        """Learn from random events of the replay buffer again, standardized as they would be now."""
        cdef EncodedEvent* event = &self.replayed
        cdef Py_ssize_t s, slot, n = 0
        cdef long long n_visited = 0
        cdef double target, score, errors = 0.0
        for s in range(self.replay_steps):
            slot = self.replay_buffer.draw_recent()
            target = self.to_loss_target(self.replay_buffer.targets[slot])
            # One broken target must not be learned again and again. If the stream really went there, it is no outlier
            # for long.
            if self.loss.scaling == STANDARDIZED and fabs(target) >= self.target.clip:
                continue
            event.n = self.replay_buffer.recall(slot, self.encoder.vocabulary.assigned_at, event.rows, event.x)
            n_visited += self.n_parameters(event.n)
            if n_visited > REPLAYED_PARAMETERS_MAX:
                break
            self.encoder.find_runs(event)
            self.encoder.standardize(event)
            score = bounded(self.forward(event, False))
            errors += self._error(target, score)
            n += 1
            self.accumulate(event, target, score)
        self.finish_batch()
        if n:
            self.agreement.observe_replayed(errors / n)
            if self.agreement.let_go():
                self.replay_buffer.keep_newest(KEPT)

    # --- State ----------------------------------------------------------------------------------------------------

    def save(self):
        """Learned arrays of the model, by their names in a learner's state."""
        return {
            **FeatureModel.save(self),
            "target": self.target.save(1),
            "stepper": self.stepper.save(),
            "loss": np.array([self.loss.scale, self.loss.count]),
            "agreement": self.agreement.save(),
            **({} if self.average_rate is None else {"average_rate": self.average_rate.save()}),
            **self.replay_buffer.save(),
        }

    def restore(self, dict state):
        """Take what `save` returned, once the encoder is restored; raises ValueError where it is inconsistent."""
        loss = state["loss"]
        if len(loss) != 2 or len(state["target"][0]) != 1:
            raise ValueError("The state must have 2 numbers in `loss` and 1 `target`.")
        FeatureModel.restore(self, state)
        self.agreement.restore(state["agreement"])
        if self.average_rate is not None:
            self.average_rate.restore(state["average_rate"])
        self.target.restore(state["target"])
        self.stepper.restore(state["stepper"])
        self.replay_buffer.restore(state, self.encoder.vocabulary.size())
        self.encoder.make_room(max(state["replay_buffer.lengths"], default=0))
        restore_loss(&self.loss, loss[0], loss[1])

    cdef int check_rows(self, dict state, str table) except -1:
        """Raise ValueError unless a table of the state has one row for each of the encoder's."""
        cdef Py_ssize_t expected = self.encoder.vocabulary.size(), rows = len(state[table][0])
        if rows != expected:
            raise ValueError(f"The state has {expected - 1} features but {rows} rows of {table}.")
        return 0

    @property
    def loss_scale(self):
        """Running mean absolute error, in the loss's units, that an adaptive loss measures by."""
        return self.loss.scale
