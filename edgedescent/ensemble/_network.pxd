"""Small network of an ensemble, in single precision."""
from libc.stdint cimport uint64_t

from edgedescent.ensemble._batch cimport Batch
from edgedescent.ensemble._event_ring cimport EventRing
from edgedescent.ensemble._inputs cimport InputBuffer, Inputs
from edgedescent.numerics._agreement cimport Agreement

cdef class Network:
    cdef readonly Py_ssize_t n_lags
    cdef readonly Py_ssize_t lags_used
    cdef readonly bint takes_values
    cdef readonly tuple hidden
    cdef Py_ssize_t h1
    cdef Py_ssize_t h2
    # Length of a row of the weights of an input, and the place in it of that of the direct connection. Before it stand
    # those of the first layer; the rest is 0.
    cdef Py_ssize_t width
    cdef Py_ssize_t skip
    # Learning rate, penalty, Adam's first decay rate and 1 - it, and the rate of the averages of the weights.
    cdef readonly double rate
    cdef readonly float decay
    cdef readonly double momentum
    cdef float rest1
    cdef readonly float average
    cdef readonly Py_ssize_t replay_steps
    cdef readonly Py_ssize_t replay_size
    cdef uint64_t seed
    cdef uint64_t random
    cdef readonly Py_ssize_t slots
    # Parameters, the two averages of Adam, and the averages of the parameters: rows for the inputs, and all others.
    cdef readonly list rows
    cdef readonly list rest
    cdef float* w
    cdef float* w_mean
    cdef float* w_square
    cdef float* w_average
    cdef float* v
    cdef float* v_mean
    cdef float* v_square
    cdef float* v_average
    cdef Py_ssize_t n_rest
    cdef object scratch
    cdef float* g_rest
    # 1 for each column of a row, and for each of the others but the biases.
    cdef object masks
    cdef float* penalized
    cdef float* penalized_rest
    cdef object served
    cdef double* served1
    cdef double* served2
    # Events of the next step, and whether the first of them is new.
    cdef readonly Batch batch
    cdef bint learns_new
    # Powers of Adam's two decay rates; scale of the error; events learned.
    cdef double power1
    cdef double power2
    cdef double scale
    cdef double count
    # Whether replayed events still agree with new ones; sum and number of the errors on those of the latest event.
    cdef readonly Agreement agreement
    cdef double replayed_errors
    cdef Py_ssize_t n_replayed
    # Number of the oldest event of the ring that is replayed.
    cdef long long oldest
    cdef readonly long long n_restarts

    cdef int grow(self, Py_ssize_t slots) except -1
    cdef void start_slot(self, Py_ssize_t slot, uint64_t word, double deviation) noexcept nogil
    cdef double serve(self, const Inputs* inputs) noexcept nogil
    cdef void _forward(self) noexcept nogil
    cdef Py_ssize_t _output(self) noexcept nogil
    cdef double _slope(self, double error) noexcept nogil
    cdef Py_ssize_t _fill_slopes(self) noexcept nogil
    cdef void _observe_new(self, double size) noexcept nogil
    cdef void _backward(self) noexcept nogil
    cdef double _finish_gradient(self, Py_ssize_t n) noexcept nogil
    cdef void _step(self, double squares) noexcept nogil
    cdef void _learn_batch(self) noexcept nogil
    cdef void learn(self, const Inputs* inputs, double target) noexcept nogil
    cdef void replay(self, const Inputs* inputs, double target) noexcept nogil
    cdef void end_replay(self, EventRing ring) noexcept nogil
    cdef long long draw(self, EventRing ring) noexcept nogil
    cdef void set_momentum(self, double momentum) noexcept nogil
    cdef void inherit(self, Network parent) noexcept nogil
    cdef void begin_anew(self, EventRing ring) noexcept nogil
    cdef void rescale(self, double factor, double shift) noexcept nogil
    cdef void _begin(self) noexcept nogil
    cdef void _restart(self, Py_ssize_t n) noexcept nogil
