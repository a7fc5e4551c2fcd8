# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Linear regression on named features, from a dict or an array row to the updated weights without the interpreter."""
import numpy as np

from cpython.dict cimport PyDict_Next
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from cpython.object cimport PyObject
from libc.stdlib cimport free, malloc

from edgedescent.kernels.losses cimport Loss, make_loss
from edgedescent.kernels.moments cimport Moments
from edgedescent.kernels.numbers cimport is_sane, to_number
from edgedescent.kernels.parameters cimport ParameterTable
from edgedescent.kernels.vocabulary cimport Vocabulary

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
    # Where the i-th key of an event is the very object that was the i-th key of the one before, so is its row.
    cdef list recent_keys
    cdef list recent_rows
    cdef long long recent_version

    def __cinit__(self):
        self.rows = NULL
        self.x = self.z = self.g = NULL
        self.runs = NULL

    def __dealloc__(self):
        free(self.rows)
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
        self._forget_recent()
        self._make_room(16)

    cdef int _make_room(self, Py_ssize_t n) except -1:
        if n <= self.room:
            return 0
        n = max(n, 2 * self.room)
        free(self.rows)
        free(self.x)
        free(self.z)
        free(self.g)
        free(self.runs)
        self.rows = <Py_ssize_t*>malloc(n * sizeof(Py_ssize_t))
        self.x = <double*>malloc(n * sizeof(double))
        self.z = <double*>malloc(n * sizeof(double))
        self.g = <double*>malloc((n + 1) * sizeof(double))
        self.runs = <Run*>malloc(n * sizeof(Run))
        self.room = 0
        if not (self.rows and self.x and self.z and self.g and self.runs):
            raise MemoryError(f"There is no memory for an event of {n} features.")
        self.room = n
        return 0

    # --- From an event to rows and values -------------------------------------------------------------------------

    cdef inline Py_ssize_t _row_of(self, object key, bint learning) except -1:
        cdef Py_ssize_t row
        if not learning:
            return self.vocabulary.find(key)
        row = self.vocabulary.learn(key, self.n_events)
        if self.vocabulary.is_new:
            if row >= self.weights.rows:
                self.weights.grow(2 * row)
                self.inputs.grow(2 * row)
            else:
                self.weights.clear_row(row)
                self.inputs.clear_row(row)
            if self.recent_version != self.vocabulary.version:
                self._forget_recent()
        return row

    cdef _forget_recent(self):
        self.recent_keys, self.recent_rows = [], []
        self.recent_version = self.vocabulary.version

    cdef int _read_dict(self, dict features, bint learning) except -1:
        """Fill the scratch from a dict; returns how many values were skipped as unusable."""
        cdef PyObject* key
        cdef PyObject* value
        cdef Py_ssize_t position = 0, place = 0, row, n = 0, n_recent = PyList_GET_SIZE(self.recent_keys)
        cdef int skipped = 0
        cdef double number
        self._make_room(len(features))
        while PyDict_Next(features, &position, &key, &value):
            number = to_number(<object>key, <object>value)
            if place < n_recent and <PyObject*>PyList_GET_ITEM(self.recent_keys, place) == key:
                row = <object>PyList_GET_ITEM(self.recent_rows, place)
                if learning:
                    self.vocabulary.stamp[row] = self.n_events
            else:
                if not isinstance(<object>key, str):
                    raise ValueError(f"The name of a feature must be a string. Got {<object>key!r}.")
                if is_sane(number):
                    row = self._row_of(<object>key, learning)
                    n_recent = PyList_GET_SIZE(self.recent_keys)
                else:
                    row = self.vocabulary.find(<object>key)
                if row and place == n_recent:
                    self.recent_keys.append(<object>key)
                    self.recent_rows.append(row)
                    n_recent += 1
                elif row and place < n_recent:
                    self.recent_keys[place] = <object>key
                    self.recent_rows[place] = row
            place += 1
            if row and is_sane(number):
                self.rows[n] = row
                self.x[n] = number
                n += 1
            elif <object>value is not None and not is_sane(number):
                skipped += 1
        self.n = n
        self._find_runs()
        return skipped

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
        cdef double target = (y - self.target.mean[0]) * self.target.inverse[0]
        cdef double slope = self.loss.gradient(&self.loss, target, score)
        cdef double decay = self.l2
        cdef double* g = self.g
        cdef Py_ssize_t r, i
        cdef Run run
        g[0] = slope
        self.weights.step(0, 1, g)
        for r in range(self.n_runs):
            run = self.runs[r]
            for i in range(run.length):
                g[i] = slope * self.z[run.start + i] + decay * self.weights.w[run.row + i]
            self.weights.step(run.row, run.length, g)
            self.inputs.update(self.x + run.start, run.row, run.length)
        self.target.update(&y, 0, 1)
        self.n_events += 1
        return prediction

    # --- What Python sees -----------------------------------------------------------------------------------------

    cdef double _predict(self, dict x) except? -1.0:
        self._read_dict(x, False)
        return self._in_units(self._score())

    cdef double _predict_learn(self, dict x, double y) except? -1.0:
        if not is_sane(y):
            self.n_skipped_targets += 1
            return self._predict(x)
        self.n_skipped_values += self._read_dict(x, True)
        return self._learn(y)

    def predict_one(self, dict x not None):
        """Predict the target of one event; the state stays as it is."""
        return self._predict(x)

    def predict_learn_one(self, dict x not None, double y):
        """Predict, then learn from the same event; returns what `predict_one` would have returned before."""
        return self._predict_learn(x, y)

    def learn_one(self, dict x not None, double y):
        """Take one gradient step on an event; a target that is not finite is counted and skipped."""
        self._predict_learn(x, y)

    def learn_many(self, X, y, names=None):
        """Predict each row, then learn from it, in order; returns the predictions.

        Args:
            X: numbers, shape (n_events, n_features); NaN stands for a missing value.
            y: targets, shape (n_events,).
            names: the name of each column, ``x0``, ``x1``, … if not given.
        """
        cdef double[:, ::1] values = np.ascontiguousarray(X, dtype=np.float64)
        cdef double[::1] targets = np.ascontiguousarray(y, dtype=np.float64)
        cdef double[::1] predictions = np.empty(values.shape[0])
        cdef Py_ssize_t i, j, n, skipped, columns = values.shape[1]
        cdef Py_ssize_t[::1] rows = np.zeros(columns, dtype=np.intp)
        cdef long long version = self.vocabulary.version
        cdef double value
        if targets.shape[0] != values.shape[0]:
            raise ValueError(f"X has {values.shape[0]} rows but y has {targets.shape[0]}.")
        names = [f"x{j}" for j in range(columns)] if names is None else list(names)
        if len(names) != columns or len(set(names)) != columns:
            raise ValueError(f"`names` must be {columns} distinct names, one for each column. Got {names!r}.")
        self._make_room(columns)
        for i in range(values.shape[0]):
            if not is_sane(targets[i]):
                self.n_skipped_targets += 1
                predictions[i] = self._predict(dict(zip(names, np.asarray(values[i]).tolist())))
                continue
            n = skipped = 0
            for j in range(columns):
                value = values[i, j]
                if not is_sane(value):
                    skipped += value == value
                    continue
                if rows[j]:
                    self.vocabulary.stamp[rows[j]] = self.n_events
                else:
                    rows[j] = self._row_of(names[j], True)
                    if version != self.vocabulary.version:
                        # Some column's row went to this one; look all of them up again from here on.
                        version = self.vocabulary.version
                        rows[:] = 0
                        rows[j] = self.vocabulary.find(names[j])
                if rows[j]:
                    self.rows[n] = rows[j]
                    self.x[n] = value
                    n += 1
            self.n = n
            self.n_skipped_values += skipped
            with nogil:
                self._find_runs()
                predictions[i] = self._learn(targets[i])
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
        n_events, n_skipped_targets, n_skipped_values, evicted, shared = counts.tolist()
        scale, count = loss.tolist()
        if not len(features) + 1 == len(weights[0]) == len(inputs[0]):
            raise ValueError(
                f"The state has {len(features)} features but {len(weights[0])} weights and {len(inputs[0])} moments.")
        self.vocabulary.restore(features, stamps, evicted, shared)
        self.weights.restore(weights)
        self.inputs.grow(self.weights.rows)
        self.inputs.restore(inputs)
        self.target.restore(target)
        self.loss.scale, self.loss.count = scale, count
        self.n_events, self.n_skipped_targets, self.n_skipped_values = n_events, n_skipped_targets, n_skipped_values
        self._forget_recent()

    @property
    def loss_scale(self):
        """The running mean absolute error, in standardized units, that an adaptive loss measures by."""
        return self.loss.scale
