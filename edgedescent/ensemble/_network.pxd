"""Small network of an ensemble, in single precision."""
from libc.stdint cimport uint64_t

from edgedescent.ensemble._event_ring cimport EventRing
from edgedescent.ensemble._inputs cimport InputBuffer, Inputs
from edgedescent.numerics._agreement cimport Agreement

cdef class GradientBuffer:
    cdef Py_ssize_t slots
    cdef readonly Py_ssize_t width
    # Slot 0 of each; slots of values are below.
    cdef float* first
    cdef float* skip
    # Slots that have a gradient, and for each slot whether it is among them.
    cdef int* touched
    cdef char* is_touched
    cdef readonly list arrays

    cdef int reserve(self, Py_ssize_t slots, Py_ssize_t width) except -1

cdef class Network:
    cdef readonly Py_ssize_t n_lags
    cdef readonly Py_ssize_t lags_used
    cdef readonly bint takes_values
    cdef readonly tuple hidden
    cdef Py_ssize_t h1
    cdef Py_ssize_t h2
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
    # Parameters, the two averages of Adam, and the averages of the parameters: of the inputs, of the direct connections
    # of the inputs, of all others.
    cdef readonly list first
    cdef readonly list skip
    cdef readonly list rest
    cdef float* w1
    cdef float* w1_mean
    cdef float* w1_square
    cdef float* w1_average
    cdef float* u
    cdef float* u_mean
    cdef float* u_square
    cdef float* u_average
    cdef float* v
    cdef float* v_mean
    cdef float* v_square
    cdef float* v_average
    cdef Py_ssize_t n_rest
    cdef object scratch
    cdef float* active1
    cdef float* active2
    cdef object served
    cdef double* served1
    cdef double* served2
    cdef float* delta1
    cdef float* delta2
    cdef float* g_rest
    # Pointers of the buffer while there is a batch, and the number of slots with a gradient.
    cdef readonly GradientBuffer buffer
    cdef float* g_first
    cdef float* g_skip
    cdef int* touched
    cdef char* is_touched
    cdef Py_ssize_t n_touched
    # Events of the batch, and the inputs of the one that has most.
    cdef Py_ssize_t n_batched
    cdef Py_ssize_t widest
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
    cdef double forward(self, const Inputs* inputs) noexcept nogil
    cdef double serve(self, const Inputs* inputs) noexcept nogil
    cdef double _slope(self, double error) noexcept nogil
    cdef Py_ssize_t _run(self, const Inputs* inputs, Py_ssize_t first) noexcept nogil
    cdef Py_ssize_t _touched_run(self, Py_ssize_t first) noexcept nogil
    cdef void _take_buffer(self) noexcept nogil
    cdef void _accumulate(self, const Inputs* inputs, double slope) noexcept nogil
    cdef double _finish_gradient(self) noexcept nogil
    cdef void _step(self) noexcept nogil
    cdef void _end_batch(self) noexcept nogil
    cdef void _clear(self) noexcept nogil
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
