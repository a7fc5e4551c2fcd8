"""What all learners of named features share: the statistics, and what surrounds each gradient step."""
import numpy as np

from libc.math cimport exp, fabs
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc

from edgedescent.losses._losses cimport AS_IS, BY_MEAN, STANDARDIZED, logistic, make_loss, observe, restore_loss
from edgedescent.numerics._numbers cimport EVENT_VALUES_MAX, bounded, is_sane, to_number
from edgedescent.features._encoder cimport as_event
from edgedescent.features._hash cimport hash_text
from edgedescent.features._vocabulary cimport check_history

from edgedescent.validation import as_numbers


cdef class FeatureModel(Encoder):
    """The statistics and steps of a learner of named features; a subclass adds the model.

    Row 0 of every table of parameters belongs to the intercept; the vocabulary gives each feature a row from 1 on.
    """

    def __cinit__(self):
        self.z = NULL
        self.runs = NULL

    def __dealloc__(self):
        free(self.z)
        free(self.runs)

    def _set_up_features(self, optimizer, loss, double l1, double l2, double clip, double rate_min,
                         Py_ssize_t features_max, str when_full, categories, hash_bits, Py_ssize_t replay_size,
                         Py_ssize_t replay_steps, uint64_t seed):
        cdef char[::1] view
        self._set_up_reading(features_max, when_full, categories, hash_bits)
        self.inputs = Scaler(clip, rate_min, 16)
        self.target = Scaler(2.0 * clip, rate_min, 1)
        self.stepper = Stepper(optimizer, l1)
        self.scales_itself = optimizer.scales_itself
        self.replay_buffer = ReplayBuffer(replay_size if replay_steps else 0, seed)
        if self.replay_buffer.size:
            # A wide event may be replayed at any time.
            self.room_kept = EVENT_VALUES_MAX
        self.loss = make_loss(loss.rule, loss.hyper)
        self.l2 = l2
        self.seed = seed
        self.replay_steps = replay_steps
        self.n_events = self.n_skipped_targets = self.n_skipped_values = 0
        self.is_category_memory = np.zeros(16, dtype=np.int8)
        view = self.is_category_memory
        self.is_category = &view[0]

    cdef double _forward(self, bint serving) noexcept nogil:
        """The score of the standardized event."""
        return 0.0

    cdef void _backward(self, double slope) noexcept nogil:
        """Add the gradient of every parameter that the event touches to the descent."""

    cdef int _make_scratch(self, Py_ssize_t n) except -1:
        """Room for the gradient of an event of `n` features."""
        return 0

    cdef int _grow_tables(self, Py_ssize_t rows) except -1:
        """Room for so many features."""
        return 0

    cdef void _start_row(self, Py_ssize_t row, uint64_t word) noexcept nogil:
        """Give the parameters of a new feature their first values; `word` is the hash of its name."""

    cdef int _make_more_room(self, Py_ssize_t n) except -1:
        free(self.z)
        free(self.runs)
        self.z = <double*>malloc(n * sizeof(double))
        self.runs = <Run*>malloc(n * sizeof(Run))
        if not (self.z and self.runs):
            raise MemoryError(f"There is no memory for an event of {n} features.")
        return self._make_scratch(n)

    # --- From names to rows ----------------------------------------------------------------------------------------

    cdef bint _settle(self, bint learning) except -1:
        """Turn the event that was read into runs of rows; whether a name was given a row on the way."""
        cdef Py_ssize_t i, n = 0, j = 0
        cdef long long version = self.vocabulary.version
        cdef Py_ssize_t size = self.vocabulary.size()
        cdef tuple newcomer
        if learning:
            self.replay_buffer.make_room(self.n)
            # Before any name gets a row, so that no feature of this event has to give up its own.
            self._stamp()
            if self.unknown:
                for i in range(self.n):
                    if self.rows[i] == 0:
                        newcomer = self.unknown[j]
                        self.rows[i] = self._row_for(newcomer[0], newcomer[1])
                        j += 1
        if self.n_unknown:
            for i in range(self.n):
                if self.rows[i]:
                    self.rows[n] = self.rows[i]
                    self.x[n] = self.x[i]
                    n += 1
            self.n = n
        self._find_runs()
        return version != self.vocabulary.version or size != self.vocabulary.size()

    cdef void _stamp(self) noexcept nogil:
        """Note that the rows at hand are learned now."""
        cdef long long* stamp = self.vocabulary.stamp
        cdef const Py_ssize_t* rows = self.rows
        cdef long long now = self.n_events
        cdef Py_ssize_t i
        for i in range(self.n):
            stamp[rows[i]] = now

    cdef Py_ssize_t _row_for(self, str name, bint category) except -1:
        """A row for a name that had none; 0 where there is none left."""
        cdef Py_ssize_t row, size = self.vocabulary.size()
        # Before the name is registered, so that running out of memory leaves no name without a row.
        if size >= self.inputs.rows:
            self._grow_rows(2 * size)
        row = self.vocabulary.learn(name, self.n_events)
        if self.vocabulary.is_new:
            self.inputs.clear_row(row)
            # A category is not standardized.
            self.is_category[row] = category
            self._start_row(row, hash_text(name) ^ self.seed)
        return row

    def _grow_rows(self, Py_ssize_t rows):
        cdef char[::1] view
        self._grow_tables(rows)
        larger = np.zeros(rows, dtype=np.int8)
        larger[: len(self.is_category_memory)] = self.is_category_memory
        view = self.is_category_memory = larger
        self.is_category = &view[0]
        self.inputs.grow(rows)

    cdef void _find_runs(self) noexcept nogil:
        cdef const Py_ssize_t* rows = self.rows
        cdef const char* is_category = self.is_category
        cdef Run* runs = self.runs
        cdef Py_ssize_t start = 0, end, n_runs = 0, n = self.n
        while start < n:
            end = start + 1
            while end < n and rows[end] == rows[end - 1] + 1 and is_category[rows[end]] == is_category[rows[start]]:
                end += 1
            runs[n_runs] = Run(rows[start], start, end - start, is_category[rows[start]])
            n_runs += 1
            start = end
        self.n_runs = n_runs

    # --- The arithmetic -------------------------------------------------------------------------------------------

    cdef void _standardize(self) noexcept nogil:
        cdef Py_ssize_t r, i
        cdef Run run
        for r in range(self.n_runs):
            run = self.runs[r]
            if run.category:
                for i in range(run.start, run.start + run.length):
                    # Whatever the event says: a number may go by the name of a category's row, such as "site=north".
                    self.z[i] = 1.0
            else:
                self.inputs.standardize(self.x + run.start, self.z + run.start, run.row, run.length)

    cdef double _in_units(self, double score) noexcept nogil:
        """The prediction that a score stands for."""
        if self.loss.scaling == AS_IS:
            return logistic(score)
        if self.loss.scaling == BY_MEAN:
            score = score if score < 20.0 else 20.0
            return self.target.mean[0] * exp(score)
        if self.target.variance[0] <= 0.0:
            return self.target.mean[0]
        return self.target.mean[0] + score / self.target.inverse[0]

    cdef double _in_loss_units(self, double y) noexcept nogil:
        """A target as the loss compares it with a score, an absurd one no further off than the statistics let it be."""
        if self.loss.scaling == AS_IS:
            return y
        if self.loss.scaling == BY_MEAN:
            return self.target.winsorized(y) / self.target.mean[0] if self.target.mean[0] > 0.0 else 1.0
        return self.target.standardized(y)

    cdef void _descend(self, double target, double score) noexcept nogil:
        cdef double slope = self.loss.slope(&self.loss, target, score)
        cdef double share = 1.0 if self.n <= WIDE or self.scales_itself else <double>WIDE / self.n
        self._backward(slope)
        self.stepper.step(slope, &self.loss, target, score, share)

    cdef double _learn(self, double y) noexcept nogil:
        """Predict, loss, gradient, step; returns the prediction that came before the step."""
        cdef double score, prediction, target
        cdef Py_ssize_t r
        cdef Run run
        self._standardize()
        # The gradient reads what `_forward` leaves behind, so the pass that it belongs to comes last.
        if self.stepper.average_rate > 0.0:
            prediction = self._in_units(bounded(self._forward(True)))
            score = bounded(self._forward(False))
        else:
            score = bounded(self._forward(False))
            prediction = self._in_units(score)
        if self.n_events == 0 and self.loss.scaling == BY_MEAN:
            # The mean is the unit: without one, the first target sets it.
            self.target.update(&y, 0, 1)
        target = self._in_loss_units(y)
        self._descend(target, score)
        self.stepper.learned(&self.loss, target, score)
        observe(&self.loss, target, score)
        for r in range(self.n_runs):
            run = self.runs[r]
            if not run.category:
                self.inputs.update(self.x + run.start, run.row, run.length)
        self.target.update(&y, 0, 1)
        if self.replay_buffer.size:
            self.replay_buffer.push(self.rows, self.x, self.n, y, self.n_events)
            self._replay()
        self.n_events += 1
        return prediction

    cdef void _replay(self) noexcept nogil:
        """Learn from random events of the ring again, standardized as they would be now."""
        cdef Py_ssize_t s, slot, cell, i, row
        cdef double target
        for s in range(self.replay_steps):
            slot = self.replay_buffer.draw()
            target = self._in_loss_units(self.replay_buffer.targets[slot])
            # One broken target must not be learned again and again. If the stream really went there, it is no outlier
            # for long.
            if self.loss.scaling == STANDARDIZED and fabs(target) >= self.target.clip:
                continue
            self.n = 0
            cell = self.replay_buffer.starts[slot]
            for i in range(self.replay_buffer.lengths[slot]):
                row = self.replay_buffer.rows[cell]
                # A row that went to another feature since is left out.
                if self.vocabulary.born[row] <= self.replay_buffer.times[slot]:
                    self.rows[self.n] = row
                    self.x[self.n] = self.replay_buffer.values[cell]
                    self.n += 1
                cell = cell + 1 if cell + 1 < self.replay_buffer.n_cells else 0
            self._find_runs()
            self._standardize()
            self._descend(target, bounded(self._forward(False)))

    # --- What Python sees -----------------------------------------------------------------------------------------

    cdef int _require_set_up(self) except -1:
        """Raise TypeError where a subclass did not call the constructor: there is nothing to work on then."""
        if self.stepper is None:
            raise TypeError(f"{type(self).__name__} must call the constructor of its base class before it is used.")
        return 0

    cdef double _predict(self, dict x) except? -1.0:
        self._require_set_up()
        self._read_dict(x, False)
        return self._predict_read()

    cdef double _predict_read(self) except? -1.0:
        """Predict the event that was read, by what is known of it."""
        self._settle(False)
        self._standardize()
        return self._in_units(bounded(self._forward(True)))

    cdef double _predict_learn(self, dict x, object y) except? -1.0:
        self._require_set_up()
        cdef double target = to_number("The target", y), prediction, before = 0.0
        cdef int skipped
        cdef bint newcomers
        if not is_sane(target):
            prediction = self._predict(x)
            self.n_skipped_targets += 1
            return prediction
        self._check_target(target)
        skipped = self._read_dict(x, True)
        newcomers = self.n_unknown > 0
        if newcomers:
            # Once it has a row, a new category has random weights too: what is answered is what was known before.
            before = self._predict_read()
            self._read_dict(x, True)
        self._settle(True)
        self.n_skipped_values += skipped
        prediction = self._learn(target)
        self.stepper.check()
        return before if newcomers else prediction

    cdef int _check_target(self, double y) except -1:
        if self.loss.scaling == AS_IS and not 0.0 <= y <= 1.0:
            raise ValueError(f"The target of a logistic loss must lie between 0 and 1. Got {y!r}.")
        if self.loss.scaling == BY_MEAN and y < 0.0:
            raise ValueError(f"The target of a Poisson loss must be >= 0. Got {y!r}.")
        return 0

    def predict_one(self, x):
        """Predict the target of one event; the state stays as it is."""
        return self._predict(as_event(x))

    def predict_learn_one(self, x, y):
        """Predict, then learn from the same event; returns what `predict_one` would have returned before."""
        return self._predict_learn(as_event(x), y)

    def learn_one(self, x, y):
        """Take one gradient step on an event; a target that is not finite is counted and skipped."""
        self._predict_learn(as_event(x), y)

    def learn_many(self, X, y, names=None):
        """Predict each row, then learn from it, in order; returns the predictions.

        Args:
            X: numbers, shape (n_events, n_features); NaN stands for a missing value.
            y: targets, shape (n_events,).
            names: the name of each column, ``x0``, ``x1``, … if not given.
        """
        self._require_set_up()
        cdef double[:, ::1] values = as_numbers("X", X, 2)
        cdef double[::1] targets = as_numbers("y", y, 1)
        cdef double[::1] predictions = np.empty(values.shape[0])
        cdef Py_ssize_t i, j, n, skipped, columns = values.shape[1], n_rows = values.shape[0]
        cdef Py_ssize_t[::1] rows
        cdef const double* row
        cdef double before = 0.0
        cdef bint learning, newcomers, standing = False
        if targets.shape[0] != n_rows:
            raise ValueError(f"X has {n_rows} rows but y has {targets.shape[0]}.")
        if n_rows == 0:
            # An empty list has no columns to name.
            return np.asarray(predictions)
        names = self._column_names(names, columns)
        for i in range(n_rows):
            if is_sane(targets[i]):
                self._check_target(targets[i])
        rows = np.array([self.vocabulary.find(name) for name in names], dtype=np.intp)
        self._make_room(columns)
        for i in range(n_rows):
            row = &values[i, 0] if columns else NULL
            learning = is_sane(targets[i])
            skipped = self._read_row(row, &rows[0] if columns else NULL, columns, names, learning)
            n = self.n
            newcomers = learning and self.n_unknown > 0
            if newcomers:
                # As with dicts: what is answered is what was known before.
                before = self._predict_read()
                self._read_row(row, &rows[0], columns, names, learning)
            if learning and self.n_unknown == 0:
                self.replay_buffer.make_room(n)
                self._stamp()
                # Where nothing is missing and no replay comes between, the runs of the event before still stand.
                if not (standing and n == columns):
                    self._find_runs()
                standing = n == columns and self.replay_buffer.size == 0
            elif self._settle(learning):
                standing = False
                for j in range(columns):
                    rows[j] = self.vocabulary.find(names[j])
            else:
                standing = False
            if learning:
                self.n_skipped_values += skipped
                predictions[i] = self._learn(targets[i])
                if newcomers:
                    predictions[i] = before
                self.stepper.check()
            else:
                self.n_skipped_targets += 1
                self._standardize()
                predictions[i] = self._in_units(bounded(self._forward(True)))
        return np.asarray(predictions)

    def predict_many(self, X, names=None):
        """Predict each row; the state stays as it is.

        Args:
            X: numbers, shape (n_events, n_features); NaN stands for a missing value.
            names: the name of each column, ``x0``, ``x1``, … if not given.
        """
        values = as_numbers("X", X, 2)
        if len(values) == 0:
            return np.empty(0)
        names = self._column_names(names, values.shape[1])
        return np.array([self._predict(dict(zip(names, row))) for row in values.tolist()])

    # --- State ----------------------------------------------------------------------------------------------------

    def _save_features(self):
        self._require_set_up()
        cdef Py_ssize_t rows = self.vocabulary.size()
        keys, stamps, born = self.vocabulary.save()
        return {
            "features": keys,
            "stamps": stamps,
            "born": born,
            "is_category": self.is_category_memory[:rows].astype(np.int64),
            "inputs": self.inputs.save(rows),
            "target": self.target.save(1),
            "stepper": self.stepper.save(),
            "loss": np.array([self.loss.scale, self.loss.count]),
            "counts": np.array(
                [self.n_events, self.n_skipped_targets, self.n_skipped_values,
                 self.vocabulary.evicted, self.vocabulary.shared], dtype=np.int64),
            **self.replay_buffer.save(),
        }

    def _restore_features(self, dict state):
        self._require_set_up()
        counts, loss, features = state["counts"], state["loss"], state["features"]
        if len(counts) != 5 or len(loss) != 2 or len(state["target"][0]) != 1:
            raise ValueError("The state must have 5 `counts`, 2 numbers in `loss` and 1 `target`.")
        if not len(features) + 1 == len(state["inputs"][0]) == len(state["is_category"]):
            raise ValueError(f"The state has {len(features)} features but {len(state['inputs'][0])} moments.")
        n_events, n_skipped_targets, n_skipped_values, evicted, shared = counts.tolist()
        check_history(counts, state["stamps"])
        check_history(counts, state["born"])
        self.vocabulary.restore(features, state["stamps"], state["born"], evicted, shared)
        if len(features) + 1 > self.inputs.rows:
            self._grow_rows(len(features) + 1)
        self.inputs.restore(state["inputs"])
        self.is_category_memory[:] = 0
        self.is_category_memory[: len(state["is_category"])] = state["is_category"] != 0
        self.target.restore(state["target"])
        self.stepper.restore(state["stepper"])
        self.replay_buffer.restore(*(state[f"replay_buffer.{part}"] for part in ("rows", "values", "targets", "lengths", "times", "draws")),
                          len(features) + 1)
        self._make_room(max(state["replay_buffer.lengths"], default=0))
        self._forget_recent()
        restore_loss(&self.loss, loss[0], loss[1])
        self.n_events, self.n_skipped_targets, self.n_skipped_values = n_events, n_skipped_targets, n_skipped_values

    @property
    def loss_scale(self):
        """The running mean absolute error, in the loss's units, that an adaptive loss measures by."""
        return self.loss.scale
