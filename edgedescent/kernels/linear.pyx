# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Linear regression on named features, from a dict or an array row to the updated weights without the interpreter."""
from collections.abc import Mapping

import numpy as np

from cpython.dict cimport PyDict_Next
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_CheckExact
from libc.stdlib cimport free, malloc

from edgedescent.kernels.losses cimport Loss, make_loss, restore_loss
from edgedescent.kernels.moments cimport Moments
from edgedescent.kernels.numbers cimport bounded, is_plain, is_sane, plain_number, to_number, to_text
from edgedescent.kernels.parameters cimport ParameterTable
from edgedescent.kernels.vocabulary cimport Vocabulary, check_history

from edgedescent.validation import as_numbers

# Features whose rows lie side by side are worked on as one run, which is what lets the compiler vectorize.
cdef struct Run:
    Py_ssize_t row
    Py_ssize_t start
    Py_ssize_t length


cdef inline double dot(const double* a, const double* b, Py_ssize_t n) noexcept nogil:
    # Four sums, in an order of our own, keep the pipeline full and the result the same on every machine.
    cdef double s0 = 0.0, s1 = 0.0, s2 = 0.0, s3 = 0.0
    cdef Py_ssize_t i, whole = n - n % 4
    for i in range(0, whole, 4):
        s0 += a[i] * b[i]
        s1 += a[i + 1] * b[i + 1]
        s2 += a[i + 2] * b[i + 2]
        s3 += a[i + 3] * b[i + 3]
    for i in range(whole, n):
        s0 += a[i] * b[i]
    return (s0 + s1) + (s2 + s3)


cdef inline dict as_event(object x):
    """The features of an event as the plain dict that can be walked without running Python code."""
    if type(x) is dict:
        return x
    if isinstance(x, Mapping):
        return dict(x)
    raise TypeError(f"The features x of an event must map names to numbers. Got {x!r:.80}.")


cdef class LinearKernel:
    """The state and arithmetic of `edgedescent.LinearRegressor`, which validates and documents the parameters.

    Row 0 of the weights is the intercept; the vocabulary gives each feature a row from 1 on.
    """

    cdef readonly Vocabulary vocabulary
    cdef readonly ParameterTable weights
    cdef readonly Moments inputs
    cdef readonly Moments target
    cdef readonly long long n_events
    cdef readonly long long n_skipped_targets
    cdef readonly long long n_skipped_values
    cdef Loss loss
    cdef double l2
    # The event at hand. None of this is state: every call fills it anew.
    cdef Py_ssize_t room
    cdef Py_ssize_t* rows
    cdef double* x
    cdef double* z
    cdef double* g
    cdef Run* runs
    cdef Py_ssize_t n
    cdef Py_ssize_t n_runs
    # The names of the event at hand that have no row, in the order of their zeros in `rows`.
    cdef list unknown
    # Where the i-th key of an event is the very object that was the i-th key of the one before, so is its row.
    cdef list recent_keys
    cdef Py_ssize_t* recent_rows
    cdef long long recent_version

    def __cinit__(self):
        self.rows = self.recent_rows = NULL
        self.x = self.z = self.g = NULL
        self.runs = NULL
        # A subclass may fail to call `__init__`. It then has a small model, not invalid memory.
        LinearKernel._set_up(self, "sgd", (0.01,), "squared", (), 0.0, 5.0, 0.001, 1, "evict")

    def __dealloc__(self):
        free(self.rows)
        free(self.recent_rows)
        free(self.x)
        free(self.z)
        free(self.g)
        free(self.runs)

    def _set_up(self, str rule, tuple hyper, str loss, tuple loss_hyper, double l2, double clip, double rate_min,
                Py_ssize_t features_max, str when_full):
        self.vocabulary = Vocabulary(features_max + 1, when_full)
        self.weights = ParameterTable(rule, hyper, 1, 16)
        self.inputs = Moments(clip, rate_min, 16)
        self.target = Moments(2.0 * clip, rate_min, 1)
        self.loss = make_loss(loss, loss_hyper)
        self.l2 = l2
        self.n_events = self.n_skipped_targets = self.n_skipped_values = 0
        self.unknown = []
        self._forget_recent()
        self._make_room(0)

    cdef int _make_room(self, Py_ssize_t n) except -1:
        if self.room and n <= self.room:
            return 0
        n = max(n, 2 * self.room, 16)
        self.room = 0
        self._forget_recent()
        free(self.rows)
        free(self.recent_rows)
        free(self.x)
        free(self.z)
        free(self.g)
        free(self.runs)
        self.rows = <Py_ssize_t*>malloc(n * sizeof(Py_ssize_t))
        self.recent_rows = <Py_ssize_t*>malloc(n * sizeof(Py_ssize_t))
        self.x = <double*>malloc(n * sizeof(double))
        self.z = <double*>malloc(n * sizeof(double))
        self.g = <double*>malloc((n + 1) * sizeof(double))
        self.runs = <Run*>malloc(n * sizeof(Run))
        if not (self.rows and self.recent_rows and self.x and self.z and self.g and self.runs):
            raise MemoryError(f"There is no memory for an event of {n} features.")
        self.room = n
        return 0

    # --- From an event to rows and values -------------------------------------------------------------------------

    cdef _forget_recent(self):
        self.recent_keys = []
        self.recent_version = self.vocabulary.version

    cdef int _read_dict(self, dict features) except -1:
        """Fill the scratch from a dict, with row 0 for names without one; returns how many values were unusable.

        The state stays as it is, so that an event can be refused half way; `_settle` then changes it.
        """
        cdef PyObject* key
        cdef PyObject* value
        cdef Py_ssize_t position = 0, place = 0, row, n = 0, n_recent
        cdef int skipped = 0
        cdef double number
        cdef str name
        self._make_room(len(features))
        if self.recent_version != self.vocabulary.version:
            self._forget_recent()
        n_recent = PyList_GET_SIZE(self.recent_keys)
        if PyList_GET_SIZE(self.unknown):
            self.unknown = []
        while PyDict_Next(features, &position, &key, &value):
            if PyFloat_CheckExact(<object>value):
                number = PyFloat_AS_DOUBLE(<object>value)
            elif is_plain(<object>value):
                number = plain_number(<object>value)
            else:
                # Its conversion runs code that might change the dict, so read from a copy of plain numbers.
                return self._read_dict({
                    k: v if v is None else to_number(f"The feature {k!r:.80}", v) for k, v in features.items()
                })
            if place < n_recent and <PyObject*>PyList_GET_ITEM(self.recent_keys, place) == key:
                row = self.recent_rows[place]
                if row == 0:
                    row = self.recent_rows[place] = self.vocabulary.find(<object>key)
            else:
                # A name that has a row was looked at when it got it.
                row = self.vocabulary.find(<object>key) if PyUnicode_CheckExact(<object>key) else 0
                if row:
                    name = <object>key
                else:
                    name = to_text("The name of a feature", <object>key)
                    row = self.vocabulary.find(name)
                if place < n_recent:
                    self.recent_keys[place] = name
                else:
                    self.recent_keys.append(name)
                    n_recent += 1
                self.recent_rows[place] = row
            if is_sane(number):
                self.rows[n] = row
                self.x[n] = number
                n += 1
                if row == 0:
                    self.unknown.append(self.recent_keys[place])
            elif <object>value is not None:
                skipped += 1
            place += 1
        self.n = n
        return skipped

    cdef bint _settle(self, bint learning) except -1:
        """Turn the event that was read into runs of rows; whether a name was given a row on the way."""
        cdef Py_ssize_t i, row, n = 0, j = 0
        cdef bint changed = False
        if learning:
            # Before any name gets a row, so that no feature of this event has to give up its own.
            for i in range(self.n):
                self.vocabulary.stamp[self.rows[i]] = self.n_events
        if PyList_GET_SIZE(self.unknown):
            for i in range(self.n):
                row = self.rows[i]
                if row == 0 and learning:
                    row = self._row_for(self.unknown[j])
                    changed = changed or row > 0
                    j += 1
                if row:
                    self.rows[n] = row
                    self.x[n] = self.x[i]
                    n += 1
            self.n = n
        self._find_runs()
        return changed

    cdef Py_ssize_t _row_for(self, str name) except -1:
        """A row for a name that had none; 0 where there is none left."""
        cdef Py_ssize_t row
        # Before the name is registered, so that running out of memory leaves no name without a row.
        if PyList_GET_SIZE(self.vocabulary.key_of) >= self.weights.rows:
            self.inputs.grow(2 * self.weights.rows)
            self.weights.grow(2 * self.weights.rows)
        row = self.vocabulary.learn(name, self.n_events)
        if self.vocabulary.is_new:
            self.weights.clear_row(row)
            self.inputs.clear_row(row)
        return row

    cdef void _find_runs(self) noexcept nogil:
        cdef Py_ssize_t i, r = -1
        for i in range(self.n):
            if r >= 0 and self.rows[i] == self.rows[i - 1] + 1:
                self.runs[r].length += 1
            else:
                r += 1
                self.runs[r] = Run(self.rows[i], i, 1)
        self.n_runs = r + 1

    # --- The arithmetic -------------------------------------------------------------------------------------------

    cdef double _score(self) noexcept nogil:
        """The prediction in standardized units: w₀ + Σ w z."""
        cdef double total = self.weights.w[0]
        cdef Py_ssize_t r
        cdef Run run
        for r in range(self.n_runs):
            run = self.runs[r]
            self.inputs.standardize(self.x + run.start, self.z + run.start, run.row, run.length)
            total += dot(self.weights.w + run.row, self.z + run.start, run.length)
        return total

    cdef inline double _in_units(self, double score) noexcept nogil:
        if self.target.variance[0] <= 0.0:
            return self.target.mean[0]
        return self.target.mean[0] + score / self.target.inverse[0]

    cdef double _learn(self, double y) noexcept nogil:
        """Predict, loss, gradient, step; returns the prediction that came before the step."""
        cdef double score = self._score()
        cdef double prediction = self._in_units(score)
        cdef double target = bounded((y - self.target.mean[0]) * self.target.inverse[0])
        cdef double slope = self.loss.gradient(&self.loss, target, bounded(score))
        cdef double decay = self.l2
        cdef double* g = self.g
        cdef Py_ssize_t r, i
        cdef Run run
        g[0] = slope
        self.weights.step(0, 1, g)
        for r in range(self.n_runs):
            run = self.runs[r]
            for i in range(run.length):
                g[i] = bounded(slope * self.z[run.start + i] + decay * self.weights.w[run.row + i])
            self.weights.step(run.row, run.length, g)
            self.inputs.update(self.x + run.start, run.row, run.length)
        self.target.update(&y, 0, 1)
        self.n_events += 1
        return prediction

    # --- What Python sees -----------------------------------------------------------------------------------------

    cdef double _predict(self, dict x) except? -1.0:
        self._read_dict(x)
        self._settle(False)
        return self._in_units(self._score())

    cdef double _predict_learn(self, dict x, object y) except? -1.0:
        cdef double target = to_number("The target", y), prediction
        cdef int skipped
        if not is_sane(target):
            prediction = self._predict(x)
            self.n_skipped_targets += 1
            return prediction
        skipped = self._read_dict(x)
        self._settle(True)
        self.n_skipped_values += skipped
        return self._learn(target)

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
        cdef double[:, ::1] values = as_numbers("X", X, 2)
        cdef double[::1] targets = as_numbers("y", y, 1)
        cdef double[::1] predictions = np.empty(values.shape[0])
        cdef Py_ssize_t i, j, n, skipped, columns = values.shape[1]
        cdef Py_ssize_t[::1] rows
        cdef bint learning, changed = False
        if targets.shape[0] != values.shape[0]:
            raise ValueError(f"X has {values.shape[0]} rows but y has {targets.shape[0]}.")
        names = [f"x{j}" for j in range(columns)] if names is None else list(names)
        names = [to_text("The name of a feature", name) for name in names]
        if values.shape[0] and not len(names) == len(set(names)) == columns:
            raise ValueError(f"`names` must be {columns} distinct names, one for each column. Got {names!r:.200}.")
        rows = np.array([self.vocabulary.find(name) for name in names], dtype=np.intp)
        self._make_room(columns)
        for i in range(values.shape[0]):
            learning = is_sane(targets[i])
            n = skipped = 0
            if PyList_GET_SIZE(self.unknown):
                self.unknown = []
            for j in range(columns):
                if is_sane(values[i, j]):
                    self.rows[n] = rows[j]
                    self.x[n] = values[i, j]
                    n += 1
                    if rows[j] == 0:
                        self.unknown.append(names[j])
                else:
                    skipped += values[i, j] == values[i, j]
            self.n = n
            changed = self._settle(learning)
            if changed:
                for j in range(columns):
                    rows[j] = self.vocabulary.find(names[j])
            if learning:
                self.n_skipped_values += skipped
                predictions[i] = self._learn(targets[i])
            else:
                self.n_skipped_targets += 1
                predictions[i] = self._in_units(self._score())
        return np.asarray(predictions)

    # --- State ----------------------------------------------------------------------------------------------------

    def _save(self):
        cdef Py_ssize_t rows = self.vocabulary.size()
        keys, stamps = self.vocabulary.save()
        return {
            "features": keys,
            "stamps": stamps,
            "weights": self.weights.save(rows),
            "inputs": self.inputs.save(rows),
            "target": self.target.save(1),
            "loss": np.array([self.loss.scale, self.loss.count]),
            "counts": np.array(
                [self.n_events, self.n_skipped_targets, self.n_skipped_values,
                 self.vocabulary.evicted, self.vocabulary.shared], dtype=np.int64),
        }

    def _restore(self, list features, stamps, list weights, list inputs, list target, loss, counts):
        if len(counts) != 5 or len(loss) != 2 or len(target[0]) != 1:
            raise ValueError("The state must have 5 `counts`, 2 numbers in `loss` and 1 `target`.")
        n_events, n_skipped_targets, n_skipped_values, evicted, shared = counts.tolist()
        if not len(features) + 1 == len(weights[0]) == len(inputs[0]):
            raise ValueError(
                f"The state has {len(features)} features but {len(weights[0])} weights and {len(inputs[0])} moments.")
        check_history(counts, stamps)
        self.vocabulary.restore(features, stamps, evicted, shared)
        self.weights.restore(weights)
        self.inputs.grow(self.weights.rows)
        self.inputs.restore(inputs)
        self.target.restore(target)
        restore_loss(&self.loss, loss[0], loss[1])
        self.n_events, self.n_skipped_targets, self.n_skipped_values = n_events, n_skipped_targets, n_skipped_values

    @property
    def loss_scale(self):
        """The running mean absolute error, in standardized units, that an adaptive loss measures by."""
        return self.loss.scale
