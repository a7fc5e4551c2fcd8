"""Latest prediction of an ensemble, which holds until something is learned."""
from libc.string cimport memcmp


cdef class LatestPrediction:
    """Inputs of the event that was predicted last: whoever learns it next need not predict it again.

    Args:
        n_lags: Number of lags among the inputs.
    """

    def __init__(self, Py_ssize_t n_lags):
        self.inputs = InputBuffer(n_lags)
        self.holds = False

    cdef bint is_of(self, InputBuffer inputs, const Circumstances* circumstances) noexcept nogil:
        """Return True if the prediction for these inputs would be the same again, bit for bit."""
        return (self.holds and memcmp(circumstances, &self.circumstances, sizeof(Circumstances)) == 0
                and self.inputs.equals(inputs))

    cdef void take(self, InputBuffer inputs, const Circumstances* circumstances) noexcept nogil:
        """Take in what was predicted; the caller has made room for the inputs."""
        self.inputs.copy(inputs)
        self.circumstances, self.holds = circumstances[0], True
