"""Forecasts from the latest labels alone: last value, means and seasonal values."""
from edgedescent.ensemble._inputs cimport Inputs
from edgedescent.ensemble._member cimport LabelScale


cdef class Forecasts(Member):
    """Last value, mean, two forgetting means, last value of the key, and two seasonal forecasts for each of two periods.

    With yₖ the label k events ago and P a period, the seasonal forecasts are y_P and y₁ + y_P - y_(P+1). Where a more
    events lie between the last label and the one that is predicted, they are y_(mP-a) and y₁ + y_(mP-a) - y_(mP+1) with
    the least m for which these are known. Without a period or key, or before there are as many labels, they are the
    last value.

    Args:
        history: Latest labels.
        keyed: Last labels by key.
    """

    def __init__(self, LabelHistory history, KeyedLabels keyed):
        Member.__init__(self, FORECASTS)
        self.history, self.keyed = history, keyed

    cdef void predict(self, const Inputs* inputs, const LabelScale* scale, double* out) noexcept nogil:
        cdef double base = scale.base
        cdef Py_ssize_t i, lag
        out[0], out[1] = base, self.history.mean
        out[2], out[3] = self.history.recent_mean(False), self.history.recent_mean(True)
        out[4] = self.keyed.last(base)
        for i in range(2):
            lag = self.history.season(i)
            out[5 + 2 * i] = out[6 + 2 * i] = base
            if lag > 0:
                out[5 + 2 * i] = self.history.back(lag)
                out[6 + 2 * i] = base + self.history.back(lag) - self.history.back(lag + self.history.delay + 1)

    def names(self):
        periods = (f"period {self.history.period or 'none'}", f"second period {self.history.second_period or 'none'}")
        return ["last value", "mean", "forgetting mean, 10 events", "forgetting mean, 100 events",
                "last value of the key", *(f"seasonal {kind}, {period}" for period in periods for kind in ("value", "change"))]
