"""The latest labels, and the lags and periods found in them.

The lags of the next label, each clipped at ±5, with s the deviation of the labels and d that of their changes::

    (y₁ - mean) / s,  (y₁ - y₂) / d,  (y₂ - y₃) / d,  (y₃ - y₄) / d
    (y_P - y₁) / s,  (y_P - y_(P+1)) / d,  (y_(P-1) - y_P) / d              for each of two periods P

where yₖ is the label k events ago. Where the labels come late, and a more events lie between the last label and the event
that is predicted, lags count from the last label, changes span a + 1 events, and the seasonal lags keep their phase, with
the least m for which the label is known::

    (y_(mP-a) - y₁) / s,  (y_(mP-a) - y_(mP+1)) / d,  (y_(mP-a-1) - y_(mP-a)) / d              d of changes over a + 1 events

When an event is learned, its lags are those that were known when it was predicted: the last a labels are hidden.

The period is the lag, up to 700, at which labels differ least: a minimum of the
forgetting mean of |yₜ - y_(t-k)| over k. It is looked for again every 50 events.
"""
import numpy as np

from libc.math cimport fabs, fmax, pow, sqrt

from edgedescent.ensemble._member cimport LabelScale

cdef enum:
    PERIOD_MIN = 4
    LOOK_EVERY = 50

# Rate of the differences, the least rates of the statistics, and of the two forgetting means.
cdef double DIFFERENCE_RATE = 0.002
cdef double RATE_MIN = 0.0002
cdef double FAST = 0.1
cdef double SLOW = 0.01
# Deviations at which labels and changes are winsorized.
cdef double CLIP = 10.0
cdef double LAG_CLIP = 5.0
# Predictions may lie outside of the range of the labels by so much of it.
cdef double MARGIN = 0.25


cdef class LabelHistory:
    """Ring of the latest labels, with their statistics, lags and periods."""

    def __cinit__(self):
        cdef double[::1] ring = np.zeros(PERIOD_MAX + 2), differences = np.zeros(PERIOD_MAX + 1)
        self.size = PERIOD_MAX + 2
        self.ring, self.differences = &ring[0], &differences[0]
        self.arrays = [np.asarray(ring), np.asarray(differences)]
        self.n = self.n_followed = self.period = self.second_period = self.delay = self.hidden = self.n_missing = 0
        self.mean = self.deviation = self.change = self.fast_mean = self.slow_mean = 0.0
        self.lowest = self.highest = 0.0

    cdef LabelScale scale(self) noexcept nogil:
        """Return the location and scale of the labels; before they vary, the deviations are 1."""
        cdef LabelScale scale
        scale.base = self.back(1) if self.n else 0.0
        scale.mean = self.mean
        scale.deviation = self.deviation if self.deviation > 0.0 else 1.0
        scale.change = self.change if self.change > 0.0 else scale.deviation
        return scale

    cdef double back(self, Py_ssize_t lag) noexcept nogil:
        """Return the known label `lag` events ago; there must be one."""
        return self.ring[(self.n - self.hidden - lag) % self.size]

    cdef bint has(self, Py_ssize_t lag) noexcept nogil:
        """True if there is a label `lag` events ago, also where labels are hidden."""
        return lag + self.delay <= self.n and lag + self.delay <= self.size

    cdef void hide(self, bint late) noexcept nogil:
        """Hide the last `delay` labels, but for the first of all; or show all."""
        self.hidden = 0
        if late and self.n:
            self.hidden = self.delay if self.delay < self.n else <Py_ssize_t>(self.n - 1)

    cdef Py_ssize_t season(self, Py_ssize_t number) noexcept nogil:
        """Return the lag of the newest known label that is whole periods before the event; 0 if there is none.

        Args:
            number: 0 for the first period, 1 for the second one.
        """
        cdef Py_ssize_t period = self.second_period if number else self.period, lag
        if period == 0:
            return 0
        lag = period * (1 + self.delay // period) - self.delay
        return lag if self.has(lag + self.delay + 1) else 0

    cdef double recent_mean(self, bint slow) noexcept nogil:
        """Return the faster or the slower forgetting mean of the known labels."""
        cdef double kept = 1.0 - (SLOW if slow else FAST), weight = 1.0, total = 0.0, weights = 0.0
        cdef Py_ssize_t lag
        if self.hidden == 0:
            return self.slow_mean if slow else self.fast_mean
        for lag in range(1, <Py_ssize_t>min(self.n, self.size) - self.hidden + 1):
            total += weight * self.back(lag)
            weights += weight
            weight *= kept
        return total / weights

    cdef void lags(self, double* z) noexcept nogil:
        """Write the `OWN_LAGS` lags of the next label."""
        cdef LabelScale scale = self.scale()
        cdef double s = scale.deviation, d = scale.change
        cdef Py_ssize_t i, p, at
        for i in range(OWN_LAGS):
            z[i] = 0.0
        if self.n == 0:
            return
        z[0] = (self.back(1) - self.mean) / s
        for i in range(1, 4):
            if self.has(i + 1):
                z[i] = (self.back(i) - self.back(i + 1)) / d
        for i in range(2):
            p = self.season(i)
            at = 4 + 3 * i
            if p > 0:
                z[at] = (self.back(p) - self.back(1)) / s
                z[at + 1] = (self.back(p) - self.back(p + self.delay + 1)) / d
            if p > 1:
                z[at + 2] = (self.back(p - 1) - self.back(p)) / d
        for i in range(OWN_LAGS):
            z[i] = z[i] if z[i] < LAG_CLIP else LAG_CLIP
            z[i] = z[i] if z[i] > -LAG_CLIP else -LAG_CLIP

    cdef void put_back(self, double y) noexcept nogil:
        """Replace the last label, of which there is one; the statistics stay."""
        self.ring[(self.n - 1) % self.size] = y

    cdef void push(self, double y) noexcept nogil:
        """Take in a label, with its statistics and periods."""
        cdef double count
        cdef Py_ssize_t k, longest = <Py_ssize_t>self.n if self.n < PERIOD_MAX else PERIOD_MAX
        self.n_followed += 1
        count = <double>self.n_followed
        self.mean = follow(self.mean, &self.deviation, y, count)
        if self.n > self.delay:
            self.change_mean = follow(
                self.change_mean, &self.change, y - self.back(1 + self.delay), fmax(count - 1.0 - self.delay, 1.0))
        self._follow_differences(y, 2, longest + 1)
        self.append(y)
        if self.n % LOOK_EVERY == 0:
            self._find_periods()

    cdef void _follow_differences(self, double y, Py_ssize_t first, Py_ssize_t stop) noexcept nogil:
        """Let the mean differences to the labels from `first` events ago on, until before `stop`, follow a new label."""
        cdef double* differences = self.differences
        cdef const double* labels
        cdef Py_ssize_t k, at, end
        while first < stop:
            # Those that lie side by side in the ring, the latest last.
            at = (self.n - self.hidden - first) % self.size
            end = min(stop, first + at + 1)
            labels = self.ring + at + first
            for k in range(first, end):
                differences[k] += DIFFERENCE_RATE * (fabs(y - labels[-k]) - differences[k])
            first = end

    cdef void follow_change(self, double mean, double deviation, Py_ssize_t n_labels) noexcept nogil:
        """Replace the statistics by those of the last `n_labels` labels, which are of another scale."""
        cdef double factor = deviation / self.deviation if self.deviation > 0.0 else 1.0
        cdef Py_ssize_t k
        self.mean = self.fast_mean = self.slow_mean = mean
        self.deviation = deviation
        self.change *= factor
        self.change_mean = 0.0
        for k in range(PERIOD_MAX + 1):
            self.differences[k] *= factor
        self.lowest = self.highest = self.back(1)
        for k in range(2, n_labels + 1):
            self.lowest = self.back(k) if self.back(k) < self.lowest else self.lowest
            self.highest = self.back(k) if self.back(k) > self.highest else self.highest
        # So that they follow the next labels quickly.
        self.n_followed = n_labels

    cdef void append(self, double y) noexcept nogil:
        """Take in a label as the last one, into the forgetting means and the range, and nothing else."""
        cdef double rate = 1.0 / (self.n + 1.0)
        if self.n == 0:
            self.lowest = self.highest = y
        self.lowest = y if y < self.lowest else self.lowest
        self.highest = y if y > self.highest else self.highest
        self.fast_mean += (rate if rate > FAST else FAST) * (y - self.fast_mean)
        self.slow_mean += (rate if rate > SLOW else SLOW) * (y - self.slow_mean)
        self.ring[self.n % self.size] = y
        self.n += 1
        self.n_missing = 0

    cdef void stand_in(self, double y) noexcept nogil:
        """Take in a prediction in place of a label that did not come: a lag, and nothing else."""
        self.ring[self.n % self.size] = y
        self.n += 1
        self.n_missing += 1

    cdef void _find_periods(self) noexcept nogil:
        """Choose the lags at which labels differ least, the second one no multiple of the first."""
        cdef Py_ssize_t longest = <Py_ssize_t>(self.n - 1) if self.n - 1 < PERIOD_MAX else PERIOD_MAX, k, best = 0, second = 0
        cdef double least = 1e300, next_least = 1e300, here
        # A lag is judged once there are as many differences as it is long.
        if 2 * longest > self.n:
            longest = <Py_ssize_t>(self.n // 2)
        for k in range(PERIOD_MIN, longest):
            here = self._difference(k)
            if here < least and here < self._difference(k - 1) and here <= self._difference(k + 1):
                best, least = k, here
        for k in range(PERIOD_MIN, longest):
            here = self._difference(k)
            if (best and k % best and (k - best > 2 or best - k > 2) and here < next_least
                    and here < self._difference(k - 1) and here <= self._difference(k + 1)):
                second, next_least = k, here
        self.period, self.second_period = best, second

    cdef double _difference(self, Py_ssize_t k) noexcept nogil:
        """Mean absolute difference at lag `k`, corrected for its start at zero."""
        return self.differences[k] / (1.0 - pow(1.0 - DIFFERENCE_RATE, <double>(self.n - k)))

    cdef double bounded(self, double prediction) noexcept nogil:
        """Return a prediction, moved into the range of the labels and a margin around it."""
        cdef double margin = MARGIN * (self.highest - self.lowest)
        if self.n == 0:
            return prediction
        prediction = prediction if prediction < self.highest + margin else self.highest + margin
        return prediction if prediction > self.lowest - margin else self.lowest - margin

    def observe(self, double y):
        """Take in a label."""
        self.push(y)

    def miss(self, double y):
        """Take in a prediction in place of a label that did not come."""
        self.stand_in(y)

    def next_lags(self, bint late=False):
        """Return the lags of the next label, shape (`OWN_LAGS`,).

        Args:
            late: True to hide the last `delay` labels.
        """
        cdef double[::1] z = np.zeros(OWN_LAGS)
        self.hide(late)
        self.lags(&z[0])
        self.hide(False)
        return np.asarray(z)

    def recent_means(self, bint late=False):
        """Return the two forgetting means; `late` is that of `next_lags`."""
        self.hide(late)
        means = self.recent_mean(False), self.recent_mean(True)
        self.hide(False)
        return means

    def save(self):
        """Return the labels, oldest first, the differences, and the numbers."""
        held = min(self.n, self.size)
        return {
            "history.labels": self.arrays[0][(self.n - held + np.arange(held)) % self.size],
            "history.differences": np.array(self.arrays[1]),
            "history.numbers": np.array([self.mean, self.deviation, self.change_mean, self.change, self.fast_mean,
                                         self.slow_mean, self.lowest, self.highest]),
            "history.counts": np.array([self.n, self.period, self.second_period, self.n_followed, self.delay, self.n_missing],
                                       dtype=np.int64),
        }

    def restore(self, dict state):
        """Restore what `save` returned.

        Raises:
            ValueError: If it is inconsistent.
        """
        labels, differences = state["history.labels"], state["history.differences"]
        numbers, counts = state["history.numbers"], state["history.counts"]
        if (len(numbers) != 8 or len(counts) != 6 or (counts < 0).any() or (counts[[1, 2, 4]] > PERIOD_MAX).any()
                or counts[5] > counts[0] or len(labels) != min(counts[0], self.size)
                or len(differences) != PERIOD_MAX + 1 or (differences < 0.0).any() or numbers[1] < 0.0 or numbers[3] < 0.0):
            raise ValueError("The state's history of labels is inconsistent.")
        self.n, self.period, self.second_period, self.n_followed, self.delay, self.n_missing = counts.tolist()
        self.arrays[0][:] = 0.0
        self.arrays[0][(self.n - len(labels) + np.arange(len(labels))) % self.size] = labels
        self.arrays[1][:] = differences
        (self.mean, self.deviation, self.change_mean, self.change, self.fast_mean, self.slow_mean, self.lowest,
         self.highest) = numbers.tolist()


cdef double follow(double mean, double* deviation, double value, double count) noexcept nogil:
    """Follow mean and deviation of a value, winsorized; returns the mean."""
    cdef double rate = 1.0 / count, step = value - mean, limit = CLIP * deviation[0], variance
    rate = rate if rate > RATE_MIN else RATE_MIN
    if limit > 0.0 and count > 10.0:
        step = step if step < limit else limit
        step = step if step > -limit else -limit
    variance = (1.0 - rate) * (deviation[0] * deviation[0] + rate * step * step)
    deviation[0] = sqrt(variance) if variance > 1e-60 else 0.0
    return mean + rate * step
