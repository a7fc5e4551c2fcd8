"""The learning of one event of named features by models that share an encoder."""
import numpy as np

from cpython.object cimport PyObject
from libc.math cimport fabs
from libc.stdlib cimport free, malloc

from edgedescent.conformal._prediction_intervals cimport PredictionIntervals
from edgedescent.features._encoder cimport as_event
from edgedescent.features._names cimport row_name
from edgedescent.learners._feature_model cimport FeatureModel, has_room, observe_error
from edgedescent.numerics._numbers cimport is_sane, to_number

from edgedescent.validation import as_numbers


cdef class CompiledFeatureLearner:
    """One or more models over one encoder: an event is read, named and standardized once for all of them.

    Whoever fills the encoder with an event calls `predict_event` or `learn_event` next: dicts, rows of arrays and
    the readers of payloads all learn by that one function. The first model's prediction is the learner's.

    Args:
        encoder: what reads the events; no other learner may use it.
        models: those made with this encoder.
        interval_levels: levels of the prediction intervals; none for no intervals.
    """

    def __init__(self, Encoder encoder, models, interval_levels=()):
        cdef Py_ssize_t m
        if self.encoder is not None:
            raise TypeError(f"The constructor of {type(self).__name__} can be called once only.")
        self.models = tuple(models)
        self.n_models = len(self.models)
        if self.n_models == 0:
            raise ValueError("A learner must have a model.")
        self.members = <PyObject**>malloc(self.n_models * sizeof(PyObject*))
        self.model_predictions = <double*>malloc(self.n_models * sizeof(double))
        if not (self.members and self.model_predictions):
            raise MemoryError(f"There is no memory for {self.n_models} models.")
        for m, model in enumerate(self.models):
            if (<FeatureModel?>model).encoder is not encoder:
                raise ValueError("Every model must be made with the encoder that it shares.")
            self.members[m] = <PyObject*>model
            self.limits_targets |= (<FeatureModel>model).limits_targets
        self.intervals = PredictionIntervals(interval_levels) if interval_levels else None
        self.encoder = encoder
        self.n_skipped_targets = 0

    def __dealloc__(self):
        free(self.members)
        free(self.model_predictions)

    def _take(self, CompiledFeatureLearner other not None):
        """Take the encoder and the models of another learner, which is not to be used any more."""
        other.require_constructed()
        self.encoder, self.models, self.intervals = other.encoder, other.models, other.intervals
        self.n_models, self.limits_targets = other.n_models, other.limits_targets
        self.n_skipped_targets = other.n_skipped_targets
        self.members, other.members = other.members, self.members
        self.model_predictions, other.model_predictions = other.model_predictions, self.model_predictions
        # Its own arrays go with it.
        other.encoder = None

    cpdef int require_constructed(self) except -1:
        """Raise TypeError where a subclass did not call the constructor: there is nothing to work on then."""
        if self.encoder is None:
            raise TypeError(f"{type(self).__name__} must call the constructor of its base class before it is used.")
        return 0

    cdef int check_target(self, double y) except -1:
        """Raise ValueError for a target that the loss of a model is not defined for."""
        cdef Py_ssize_t m
        if self.limits_targets:
            for m in range(self.n_models):
                (<FeatureModel>self.members[m]).check_target(y)
        return 0

    # --- The event in the encoder ---------------------------------------------------------------------------------

    cdef void _predict_known(self, const EncodedEvent* event) noexcept:
        cdef Py_ssize_t m
        for m in range(self.n_models):
            self.model_predictions[m] = (<FeatureModel>self.members[m]).predict(event)

    cdef double predict_event(self) except? -1.0:
        """Predict the event that the encoder has read; its new names count as nothing."""
        cdef Py_ssize_t m
        for m in range(self.n_models):
            if (<FeatureModel>self.members[m]).room != self.encoder.room:
                (<FeatureModel>self.members[m]).prepare()
        self.encoder.settle(False)
        self.encoder.standardize(&self.encoder.event)
        self._predict_known(&self.encoder.event)
        return self.model_predictions[0]

    cdef double learn_event(self, double y) except? -1.0:
        """Predict the event that the encoder has read, then learn it; returns the prediction.

        The caller has checked that `y` is finite and that the losses are defined for it.
        """
        cdef Encoder encoder = self.encoder
        cdef bint has_unknown = encoder.n_unknown > 0, failed = False
        cdef const EncodedEvent* known
        cdef double prediction
        cdef Py_ssize_t m
        if has_unknown:
            encoder.reserve_rows()
        for m in range(self.n_models):
            if not has_room(<FeatureModel>self.members[m], encoder):
                (<FeatureModel>self.members[m]).prepare()
        if has_unknown:
            # Once it has a row, a new category has random weights too: the answer is by what was known before.
            known = encoder.known_part()
            for m in range(self.n_models):
                self.model_predictions[m] = (<FeatureModel>self.members[m]).predict_past(known)
        encoder.settle(True)
        if encoder.n_new:
            for m in range(self.n_models):
                (<FeatureModel>self.members[m]).start_new_rows()
        encoder.standardize(&encoder.event)
        for m in range(self.n_models):
            prediction = (<FeatureModel>self.members[m]).learn(y)
            observe_error(<FeatureModel>self.members[m], fabs(y - prediction))
            if not has_unknown:
                self.model_predictions[m] = prediction
        # After the steps, so that an outlier cannot excuse itself.
        encoder.update()
        for m in range(self.n_models):
            (<FeatureModel>self.members[m]).after_update(y)
            failed |= (<FeatureModel>self.members[m]).kept_error[0] != NULL
        if encoder.scaler.found:
            # After the models have followed a change of scale of the target, with which features often change.
            self._follow_changes()
        encoder.n_events += 1
        if self.intervals is not None:
            self.intervals.learn(y, self.model_predictions[0])
        if failed:
            self._check_steps()
        return self.model_predictions[0]

    cdef void _follow_changes(self) noexcept:
        """Follow the changes of scale of features that the event completed, if the errors of the first model confirm it."""
        cdef Encoder encoder = self.encoder
        cdef Py_ssize_t i, m, row
        cdef int change
        cdef bint followed = False
        encoder.scaler.found = False
        for i in range(encoder.event.n):
            row = encoder.event.rows[i]
            change = encoder.scaler.change(row)
            if change == 0:
                continue
            if not (<FeatureModel>self.members[0]).is_unusual(change):
                encoder.scaler.leave(row)
                continue
            encoder.scaler.follow_change(row)
            for m in range(self.n_models):
                (<FeatureModel>self.members[m]).follow_change(row)
            followed = True
        if followed:
            for m in range(self.n_models):
                (<FeatureModel>self.members[m]).begin_anew()

    cdef int _check_steps(self) except -1:
        """Raise what an optimizer written in Python raised during the event."""
        cdef Py_ssize_t m
        for m in range(self.n_models):
            (<FeatureModel>self.members[m]).check_steps()
        return 0

    # --- Dicts ----------------------------------------------------------------------------------------------------

    cdef double predict_dict(self, dict x) except? -1.0:
        self.require_constructed()
        self.encoder.read_dict(x, False)
        return self.predict_event()

    cdef bint read_labelled(self, dict x, object y, double* target) except -1:
        """Read an event into the encoder, to be learned; False if its target is none to learn."""
        self.require_constructed()
        target[0] = to_number("The target", y)
        if not is_sane(target[0]):
            return False
        self.check_target(target[0])
        self.encoder.read_dict(x, True)
        return True

    cdef double predict_learn_dict(self, dict x, object y) except? -1.0:
        cdef double target, prediction
        if self.read_labelled(x, y, &target):
            return self.learn_event(target)
        prediction = self.predict_dict(x)
        self.n_skipped_targets += 1
        return prediction

    def predict_one(self, x):
        """Predict the target of one event; the state stays as it is."""
        return self.predict_dict(as_event(x))

    def predict_interval_one(self, x, double level):
        """Predict the interval that holds the target of one event with a probability of `level`; the state stays as it is.

        The interval lies around what `predict_one` returns. Before two events were learned it is infinite.

        Args:
            x: the event.
            level: one of `interval_levels`.

        Returns:
            The lower and the upper bound.

        Raises:
            ValueError: If the level is none of `interval_levels`, for which intervals are calibrated.
        """
        cdef double prediction = self.predict_dict(as_event(x))
        if self.intervals is None:
            raise ValueError(
                f"{type(self).__name__} has no prediction intervals: ask for them by interval_levels=({level},).")
        return self.intervals.interval(prediction, level)

    def predict_learn_one(self, x, y):
        """Predict, then learn from the same event; returns what `predict_one` would have returned before."""
        return self.predict_learn_dict(as_event(x), y)

    def learn_one(self, x, y):
        """Take one gradient step on an event; a target that is not finite is counted and skipped."""
        self.predict_learn_dict(as_event(x), y)

    # --- Arrays ---------------------------------------------------------------------------------------------------

    def learn_many(self, X, y, names=None, n_missing=None):
        """Predict each row, then learn from it, in order; returns the predictions.

        Args:
            X: numbers, shape (n_events, n_features); NaN stands for a value that cannot be used.
            y: targets, shape (n_events,).
            names: the name of each column, ``x0``, ``x1``, … if not given.
            n_missing: how many of the NaNs of each row stand for no value, so that they are not counted as skipped.
        """
        self.require_constructed()
        cdef Encoder encoder = self.encoder
        cdef const double[:, ::1] values = as_numbers("X", X, 2)
        cdef const double[::1] targets = as_numbers("y", y, 1)
        cdef double[::1] predictions = np.empty(values.shape[0])
        cdef Py_ssize_t i, j, columns = values.shape[1], n_rows = values.shape[0]
        cdef long long version
        cdef Py_ssize_t size
        cdef Py_ssize_t[::1] rows
        cdef const double* row
        cdef bint learning, same_runs = False
        cdef const Py_ssize_t[::1] missing = np.zeros(0, dtype=np.intp) if n_missing is None else n_missing
        if targets.shape[0] != n_rows:
            raise ValueError(f"X has {n_rows} rows but y has {targets.shape[0]}.")
        if n_rows == 0:
            # An empty list has no columns to name.
            return np.asarray(predictions)
        names = [row_name(name) for name in encoder.column_names(names, columns)]
        if self.limits_targets:
            for i in range(n_rows):
                if is_sane(targets[i]):
                    self.check_target(targets[i])
        rows = np.array([encoder.vocabulary.find(name) for name in names], dtype=np.intp)
        for i in range(n_rows):
            row = &values[i, 0] if columns else NULL
            learning = is_sane(targets[i])
            version, size = encoder.vocabulary.version, encoder.vocabulary.rows_in_use
            encoder.read_row(row, &rows[0] if columns else NULL, columns, names, learning)
            if n_missing is not None:
                encoder.n_skipped -= missing[i]
            # Where nothing is missing or new, the runs of the event before still hold.
            same_runs &= encoder.event.n == columns and encoder.n_unknown == 0
            encoder.same_runs = same_runs
            same_runs = encoder.event.n == columns and encoder.n_unknown == 0
            if learning:
                predictions[i] = self.learn_event(targets[i])
            else:
                self.n_skipped_targets += 1
                predictions[i] = self.predict_event()
            if version != encoder.vocabulary.version or size != encoder.vocabulary.rows_in_use:
                for j in range(columns):
                    rows[j] = encoder.vocabulary.find(names[j])
                same_runs = False
        return np.asarray(predictions)

    @property
    def predictions(self):
        """The prediction of each model for the event that was last predicted or learned, shape (n_models,)."""
        self.require_constructed()
        return np.array(<double[: self.n_models]>self.model_predictions)

    # --- State ----------------------------------------------------------------------------------------------------

    @property
    def model(self):
        """The model whose prediction is the learner's."""
        return self.models[0]

    @property
    def n_events(self):
        """Number of events learned."""
        self.require_constructed()
        return self.encoder.n_events

    def _save(self):
        self.require_constructed()
        cdef Encoder encoder = self.encoder
        counts = [encoder.n_events, self.n_skipped_targets, encoder.n_skipped_values,
                  encoder.vocabulary.evicted, encoder.vocabulary.shared]
        state = {**encoder.save(), "counts": np.array(counts, dtype=np.int64), **self.model.save()}
        if self.intervals is not None:
            state.update(self.intervals.save("intervals."))
        return state

    def _restore(self, **state):
        self.require_constructed()
        counts = state["counts"]
        if len(counts) != 5 or (counts < 0).any():
            raise ValueError("The state's `counts` must be 5 numbers >= 0.")
        n_events, n_skipped_targets, n_skipped_values, evicted, shared = counts.tolist()
        self.encoder.restore(state, n_events, n_skipped_values, evicted, shared)
        self.model.restore(state)
        if self.intervals is not None:
            self.intervals.restore(state, "intervals.")
        self.n_skipped_targets = n_skipped_targets
