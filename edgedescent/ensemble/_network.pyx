"""Small network of an ensemble, in single precision.

::

    a₁ = relu(W₁ z + b₁)
    a₂ = relu(W₂ a₁ + b₂)               where there is a second layer
    f  = b + u · z + v · a

Predictions are those of the averages of the weights over the last steps, which tremble less (Polyak and Juditsky 1992).

After each event, stored ones are learned again: a step follows the average gradient of eight events, of which the new one is
the first.

It is `edgedescent.MLPRegressor` with what an ensemble does not need left out: single precision, Adam only, and a ring of
events that all networks share. Single precision takes a fifth of the time where the processor has AVX2.
"""
from math import prod

import numpy as np

from libc.math cimport fabs, isfinite, sqrt
from libc.stdint cimport uint64_t
from libc.string cimport memcpy, memset

from edgedescent.ensemble._repeated_values cimport VALUE_SLOTS
from edgedescent.numerics._agreement cimport KEPT, Agreement
from edgedescent.numerics._kernels cimport (
    f32_adam,
    f32_add_outer,
    f32_average,
    f32_back,
    f32_dot,
    f32_finish_gradient,
    f32_layer,
    f64_add_scaled,
    f64_dot,
)
from edgedescent.numerics._random cimport next_normal, next_uniform

# Bound on the norm of a gradient, as that of `edgedescent.MLPRegressor`.
cdef double GRADIENT_NORM_MAX = 10.0
# Number of inputs above which the rate falls with their number: the steps of all inputs add up.
cdef double WIDE = 16.0
# Errors beyond so many mean absolute errors count as outliers (adaptive Huber).
cdef double CLIP = 3.0
# Rate at which the scale of the error follows.
cdef double SCALE_RATE = 0.01

# Adam's 1 - beta and eps, and the bound on weights.
cdef float REST2 = 0.001
cdef float EPS = 1e-8
cdef float LIMIT = 1e8

# Number of events whose average gradient is one step: the new one and replayed ones.
cdef Py_ssize_t BATCH = 8

# Rate at which the averages of the weights follow, per step.
cdef float AVERAGE = 0.024

# Largest number in single precision.
cdef double FLOAT_MAX = 3.4028234663852886e38

# Of the names of the weights in the state, of Adam's two averages, and of the averages of the weights.
cdef tuple SUFFIXES = ("", "_mean", "_square", "_average")


cdef class GradientBuffer:
    """Sum of the gradients of a batch for the weights of the inputs, which is zero between batches."""

    def __cinit__(self):
        self.slots = self.width = 0
        self.arrays = []

    cdef int reserve(self, Py_ssize_t slots, Py_ssize_t width) except -1:
        """Make room for so many slots from 0 on, and those of values, of networks of a first layer of `width` units."""
        cdef float[::1] first, skip
        cdef int[::1] touched
        cdef char[::1] is_touched
        if slots <= self.slots and width <= self.width:
            return 0
        slots, width = max(slots, self.slots), max(width, self.width)
        size = VALUE_SLOTS + slots
        first, skip = np.zeros(size * width, dtype=np.float32), np.zeros(size, dtype=np.float32)
        touched, is_touched = np.zeros(size, dtype=np.int32), np.zeros(size, dtype=np.int8)
        self.arrays = [first.base, skip.base, touched.base, is_touched.base]
        self.first, self.skip = &first[0] + VALUE_SLOTS * width, &skip[VALUE_SLOTS]
        self.touched, self.is_touched = &touched[0], &is_touched[VALUE_SLOTS]
        self.slots, self.width = slots, width
        return 0


cdef class Network:
    """Multilayer perceptron with a linear skip connection, Adam and experience replay.

    Args:
        n_lags: Number of lags among the inputs.
        lags_used: Number of these, from the first on, that the network has weights for.
        hidden: Widths of one or two hidden layers.
        rate: Learning rate of Adam.
        decay: Weight of the penalty ``decay w² / 2``.
        replay_steps: Number of events that are replayed after each.
        replay_size: Number of newest events that are replayed.
        seed: Seed of the first weights and of the draws.
        takes_values: True if values that come again are inputs, see `edgedescent.ensemble._repeated_values`.
        buffer: Gradient of a batch, which networks share that finish their batches one after the other.
    """

    def __init__(self, Py_ssize_t n_lags, Py_ssize_t lags_used, tuple hidden, double rate, double decay,
                 Py_ssize_t replay_steps, Py_ssize_t replay_size, uint64_t seed, bint takes_values=False,
                 GradientBuffer buffer=None):
        self.takes_values = takes_values
        self.buffer = GradientBuffer() if buffer is None else buffer
        self.n_lags, self.lags_used, self.hidden = n_lags, lags_used, hidden
        self.h1, self.h2 = hidden[0], hidden[1] if len(hidden) > 1 else 0
        self.rate, self.decay = rate, <float>decay
        self.set_momentum(0.9)
        self.average = AVERAGE
        self.replay_steps, self.replay_size, self.seed = replay_steps, replay_size, seed
        self.n_rest = self.h1 + 1 if self.h2 == 0 else (self.h1 + 1) * self.h2 + self.h2 + 1
        self.first, self.skip, self.rest = [], [], []
        self.slots = self.n_touched = self.n_batched = self.widest = 0
        cdef float[::1] scratch = np.zeros(2 * (self.h1 + self.h2) + self.n_rest, dtype=np.float32)
        cdef double[::1] served = np.zeros(self.h1 + self.h2)
        self.scratch, self.served = scratch, served
        self.served1, self.served2 = &served[0], &served[0] + self.h1
        self.active1 = &scratch[0]
        self.active2 = self.active1 + self.h1
        self.delta1 = self.active2 + self.h2
        self.delta2 = self.delta1 + self.h1
        self.g_rest = self.delta2 + self.h2
        self.rest = [np.zeros(self.n_rest, dtype=np.float32) for _ in range(4)]
        cdef float[::1] v = self.rest[0], v_mean = self.rest[1], v_square = self.rest[2], v_average = self.rest[3]
        self.v, self.v_mean, self.v_square, self.v_average = &v[0], &v_mean[0], &v_square[0], &v_average[0]
        self.oldest = self.n_restarts = 0
        self.agreement = Agreement()
        self._begin()

    cdef void _begin(self) noexcept nogil:
        """Draw the first weights of all that does not belong to an input."""
        cdef Py_ssize_t i, last = self.h2 if self.h2 else self.h1
        cdef uint64_t word = self.seed
        for i in range(self.n_rest):
            self.v[i] = self.v_mean[i] = self.v_square[i] = 0.0
        if self.h2:
            for i in range(self.h2, (self.h1 + 1) * self.h2):
                self.v[i] = <float>(sqrt(2.0 / self.h1) * next_normal(&word))
        for i in range(self.n_rest - last, self.n_rest):
            self.v[i] = <float>(sqrt(1.0 / last) * next_normal(&word))
        for i in range(self.n_rest):
            self.v_average[i] = self.v[i]
        self.random = word
        self.power1 = self.power2 = 1.0
        self.scale = self.count = self.replayed_errors = 0.0
        self.n_replayed = 0

    cdef int grow(self, Py_ssize_t slots) except -1:
        """Make room for the weights of so many inputs; new ones are zero until `start_slot`."""
        cdef float[::1] view
        if slots <= self.slots:
            return 0
        # The slots of values stand before slot 0.
        size = VALUE_SLOTS + slots
        self.buffer.reserve(slots, self.h1)
        first = [np.zeros(size * self.h1, dtype=np.float32) for _ in range(4)]
        skip = [np.zeros(size, dtype=np.float32) for _ in range(4)]
        for larger, before in zip(first + skip, self.first + self.skip):
            larger[: len(before)] = before
        self.first, self.skip, self.slots = first, skip, slots
        view = first[0]
        self.w1 = &view[0] + VALUE_SLOTS * self.h1
        view = first[1]
        self.w1_mean = &view[0] + VALUE_SLOTS * self.h1
        view = first[2]
        self.w1_square = &view[0] + VALUE_SLOTS * self.h1
        view = first[3]
        self.w1_average = &view[0] + VALUE_SLOTS * self.h1
        view = skip[0]
        self.u = &view[VALUE_SLOTS]
        view = skip[1]
        self.u_mean = &view[VALUE_SLOTS]
        view = skip[2]
        self.u_square = &view[VALUE_SLOTS]
        view = skip[3]
        self.u_average = &view[VALUE_SLOTS]
        return 0

    cdef void start_slot(self, Py_ssize_t slot, uint64_t word, double deviation) noexcept nogil:
        """Draw the first weights of an input from a normal distribution; `word` is their seed."""
        cdef Py_ssize_t i, at = slot * self.h1
        cdef uint64_t random = word ^ self.seed
        for i in range(at, at + self.h1):
            self.w1[i] = self.w1_average[i] = <float>(deviation * next_normal(&random))
            self.w1_mean[i] = self.w1_square[i] = 0.0
        self.u[slot] = self.u_mean[slot] = self.u_square[slot] = self.u_average[slot] = 0.0

    cdef Py_ssize_t _run(self, const Inputs* inputs, Py_ssize_t first) noexcept nogil:
        """Return the number of inputs from `first` on whose slots follow each other."""
        cdef Py_ssize_t end = first + 1
        while end < inputs.n and end != self.lags_used and inputs.slots[end] == inputs.slots[end - 1] + 1:
            end += 1
        return end - first

    cdef double forward(self, const Inputs* inputs) noexcept nogil:
        """Return the output for the inputs of an event, by the weights that are learned; fills the activations."""
        cdef Py_ssize_t h = self.h1, i = 0 if self.lags_used else self.n_lags, j, n
        cdef float* a = self.active1
        cdef const float* v = self.v
        cdef double total = 0.0
        memset(a, 0, h * sizeof(float))
        while i < inputs.n:
            n = self._run(inputs, i)
            f32_layer(a, self.w1 + inputs.slots[i] * h, inputs.z + i, n, h)
            total += f32_dot(self.u + inputs.slots[i], inputs.z + i, n)
            i += n
            i = self.n_lags if i == self.lags_used else i
        rectify(a, h)
        if self.h2:
            h = self.h2
            for j in range(h):
                self.active2[j] = v[j]
            f32_layer(self.active2, v + h, a, self.h1, h)
            a = self.active2
            rectify(a, h)
            v += (self.h1 + 1) * h
        return total + v[0] + f32_dot(v + 1, a, h)

    cdef double serve(self, const Inputs* inputs) noexcept nogil:
        """Return the output for the inputs of an event, by the averages of the weights.

        In double precision: the trees that take the mixture as an input need the same prediction from an exported file,
        which sums in another order.
        """
        cdef Py_ssize_t h = self.h1, i, j
        cdef double* a = self.served1
        cdef const float* v = self.v_average
        cdef double total = 0.0
        for j in range(h):
            a[j] = 0.0
        for i in range(inputs.n):
            if (i < self.lags_used or i >= self.n_lags) and inputs.exact[i] != 0.0:
                f64_add_scaled(a, self.w1_average + inputs.slots[i] * h, inputs.exact[i], h)
                total += self.u_average[inputs.slots[i]] * inputs.exact[i]
        if self.h2:
            h = self.h2
            for j in range(h):
                self.served2[j] = v[j]
            for i in range(self.h1):
                if a[i] > 0.0:
                    f64_add_scaled(self.served2, v + (i + 1) * h, a[i], h)
            a = self.served2
            v += (self.h1 + 1) * h
        for j in range(h):
            a[j] = a[j] if a[j] > 0.0 else 0.0
        return total + v[0] + f64_dot(v + 1, a, h)

    cdef double _slope(self, double error) noexcept nogil:
        """Derivative of the loss with respect to the output."""
        cdef double limit = CLIP * self.scale
        if self.count <= 10.0 or limit <= 0.0:
            return error
        error = error if error < limit else limit
        return error if error > -limit else -limit

    cdef void _take_buffer(self) noexcept nogil:
        """Set the pointers for a new batch: the buffer may have grown since the last one."""
        if self.n_batched == 0:
            self.g_first, self.g_skip = self.buffer.first, self.buffer.skip
            self.touched, self.is_touched = self.buffer.touched, self.buffer.is_touched

    cdef void _accumulate(self, const Inputs* inputs, double slope) noexcept nogil:
        """Add the gradient for an event to that of the batch; `forward` was called for the inputs before."""
        self._take_buffer()
        cdef Py_ssize_t h = self.h2 if self.h2 else self.h1, i = 0 if self.lags_used else self.n_lags, j, n, slot
        cdef Py_ssize_t output = self.n_rest - h - 1
        cdef float* a = self.active2 if self.h2 else self.active1
        cdef float* delta = self.delta2 if self.h2 else self.delta1
        cdef float* g = self.g_rest + output
        cdef const float* v = self.v + output + 1
        cdef float s = <float>slope
        g[0] += s
        for j in range(h):
            g[j + 1] += s * a[j]
            delta[j] = s * v[j] if a[j] > 0.0 else 0.0
        if self.h2:
            for j in range(h):
                self.g_rest[j] += delta[j]
            f32_back(self.delta1, self.v + h, self.active1, delta, self.h1, h)
            f32_add_outer(self.g_rest + h, self.active1, delta, self.h1, h)
        h = self.h1
        while i < inputs.n:
            n = self._run(inputs, i)
            f32_add_outer(self.g_first + inputs.slots[i] * h, inputs.z + i, self.delta1, n, h)
            for j in range(i, i + n):
                slot = inputs.slots[j]
                self.g_skip[slot] += s * inputs.z[j]
                if not self.is_touched[slot]:
                    self.is_touched[slot] = True
                    self.touched[self.n_touched] = <int>slot
                    self.n_touched += 1
            i += n
            i = self.n_lags if i == self.lags_used else i
        self.n_batched += 1
        self.widest = inputs.n if inputs.n > self.widest else self.widest

    cdef Py_ssize_t _touched_run(self, Py_ssize_t first) noexcept nogil:
        """Return the number of slots with a gradient, from number `first` on, that follow each other."""
        cdef Py_ssize_t end = first + 1
        while end < self.n_touched and self.touched[end] == self.touched[end - 1] + 1:
            end += 1
        return end - first

    cdef double _finish_gradient(self) noexcept nogil:
        """Divide the gradient by the events of the batch and add that of the penalty; returns its squared norm."""
        cdef float share = <float>(1.0 / self.n_batched)
        cdef Py_ssize_t h = self.h2 if self.h2 else self.h1, i = 0, n, slot
        cdef Py_ssize_t output = self.n_rest - h - 1
        cdef double squares = 0.0
        if self.h2:
            squares += f32_finish_gradient(self.g_rest, self.v, share, 0.0, FLOAT_MAX, h)
            squares += f32_finish_gradient(self.g_rest + h, self.v + h, share, self.decay, FLOAT_MAX, self.h1 * h)
        squares += f32_finish_gradient(self.g_rest + output, self.v + output, share, 0.0, FLOAT_MAX, 1)
        squares += f32_finish_gradient(self.g_rest + output + 1, self.v + output + 1, share, self.decay, FLOAT_MAX, h)
        h = self.h1
        while i < self.n_touched:
            n, slot = self._touched_run(i), self.touched[i]
            squares += f32_finish_gradient(
                self.g_first + slot * h, self.w1 + slot * h, share, self.decay, FLOAT_MAX, n * h)
            squares += f32_finish_gradient(self.g_skip + slot, self.u + slot, share, self.decay, FLOAT_MAX, n)
            i += n
        return squares

    cdef void _step(self) noexcept nogil:
        """Take one step of Adam along the average gradient of the batch, and begin the next batch."""
        cdef double squares = self._finish_gradient()
        cdef float scale = 1.0, rate, inverse_bias
        cdef Py_ssize_t h = self.h1, i = 0, n, slot, at
        if isfinite(squares):
            if squares > GRADIENT_NORM_MAX * GRADIENT_NORM_MAX:
                scale = <float>(GRADIENT_NORM_MAX / sqrt(squares))
            self.power1 *= self.momentum
            self.power2 *= 0.999
            rate = <float>(self.rate * (WIDE / self.widest if self.widest > WIDE else 1.0) / (1.0 - self.power1))
            inverse_bias = <float>(1.0 / (1.0 - self.power2))
            f32_adam(self.v, self.v_mean, self.v_square, self.g_rest, scale, rate, inverse_bias, self.rest1, REST2, EPS, LIMIT,
                     self.n_rest)
            f32_average(self.v_average, self.v, self.average, self.n_rest)
            while i < self.n_touched:
                n, slot = self._touched_run(i), self.touched[i]
                at = slot * h
                f32_adam(self.w1 + at, self.w1_mean + at, self.w1_square + at, self.g_first + at, scale, rate,
                         inverse_bias, self.rest1, REST2, EPS, LIMIT, n * h)
                f32_adam(self.u + slot, self.u_mean + slot, self.u_square + slot, self.g_skip + slot, scale, rate,
                         inverse_bias, self.rest1, REST2, EPS, LIMIT, n)
                f32_average(self.w1_average + at, self.w1 + at, self.average, n * h)
                f32_average(self.u_average + slot, self.u + slot, self.average, n)
                i += n
        self._clear()

    cdef void _end_batch(self) noexcept nogil:
        """Take a step, if there is an event in the batch."""
        if self.n_batched:
            self._step()

    cdef void _clear(self) noexcept nogil:
        """Set the gradient of the batch to zero."""
        cdef Py_ssize_t i
        memset(self.g_rest, 0, self.n_rest * sizeof(float))
        for i in range(self.n_touched):
            memset(self.g_first + self.touched[i] * self.h1, 0, self.h1 * sizeof(float))
            self.g_skip[self.touched[i]] = 0.0
            self.is_touched[self.touched[i]] = False
        self.n_touched = self.n_batched = self.widest = 0

    cdef void learn(self, const Inputs* inputs, double target) noexcept nogil:
        """Learn a new event, as the first of a batch; `end_replay` is to follow."""
        cdef double error = self.forward(inputs) - target, size = fabs(error), rate
        if not isfinite(error):
            # A weight overflowed: begin anew rather than stay broken.
            self._restart(inputs.n)
            return
        self.count += 1.0
        rate = 1.0 / self.count
        self._accumulate(inputs, self._slope(error))
        self.agreement.observe_new(size)
        if self.count > 10.0 and size > 5.0 * self.scale:
            size = 5.0 * self.scale
        self.scale += (rate if rate > SCALE_RATE else SCALE_RATE) * (size - self.scale)

    cdef void replay(self, const Inputs* inputs, double target) noexcept nogil:
        """Learn an event that was drawn from the ring."""
        cdef double error = self.forward(inputs) - target
        if not isfinite(error):
            return
        self._accumulate(inputs, self._slope(error))
        self.replayed_errors += fabs(error)
        self.n_replayed += 1
        if self.n_batched == BATCH:
            self._step()

    cdef void end_replay(self, EventRing ring) noexcept nogil:
        """Take the last step, and let go of the older events where replayed ones no longer agree with new ones."""
        self._end_batch()
        if self.n_replayed:
            self.agreement.observe_replayed(self.replayed_errors / self.n_replayed)
            self.replayed_errors, self.n_replayed = 0.0, 0
            if self.agreement.let_go() and ring.n_pushed - KEPT > self.oldest:
                self.oldest = ring.n_pushed - KEPT

    cdef long long draw(self, EventRing ring) noexcept nogil:
        """Return the number of a random event of those that are replayed; newer ones are drawn more often."""
        cdef long long first = ring.n_pushed - ring.held, age
        cdef double u
        if ring.n_pushed - first > self.replay_size:
            first = ring.n_pushed - self.replay_size
        if first < self.oldest:
            first = self.oldest
        u = next_uniform(&self.random)
        age = <long long>(u * u * (ring.n_pushed - first))
        return ring.n_pushed - 1 - age if age < ring.n_pushed - first else first

    cdef void begin_anew(self, EventRing ring) noexcept nogil:
        """Forget how large errors are, and replay none of the events stored until now."""
        self.scale = self.count = 0.0
        self.oldest = ring.n_pushed

    cdef void rescale(self, double factor, double shift) noexcept nogil:
        """Replace the output o by ``factor * o + shift`` for any inputs; Adam begins anew, for gradients change with it."""
        cdef Py_ssize_t output = self.n_rest - (self.h2 if self.h2 else self.h1) - 1, i
        cdef float f = <float>factor
        for i in range(output, self.n_rest):
            self.v[i] *= f
            self.v_average[i] *= f
        self.v[output] += <float>shift
        self.v_average[output] += <float>shift
        for i in range(-VALUE_SLOTS, self.slots):
            self.u[i] *= f
            self.u_average[i] *= f
        memset(self.v_mean, 0, self.n_rest * sizeof(float))
        memset(self.v_square, 0, self.n_rest * sizeof(float))
        memset(self.w1_mean - VALUE_SLOTS * self.h1, 0, (VALUE_SLOTS + self.slots) * self.h1 * sizeof(float))
        memset(self.w1_square - VALUE_SLOTS * self.h1, 0, (VALUE_SLOTS + self.slots) * self.h1 * sizeof(float))
        memset(self.u_mean - VALUE_SLOTS, 0, (VALUE_SLOTS + self.slots) * sizeof(float))
        memset(self.u_square - VALUE_SLOTS, 0, (VALUE_SLOTS + self.slots) * sizeof(float))
        self.power1 = self.power2 = 1.0

    cdef void set_momentum(self, double momentum) noexcept nogil:
        """Set Adam's first decay rate, which is 0.9 at first."""
        self.momentum, self.rest1 = momentum, <float>(1.0 - momentum)

    cdef void inherit(self, Network parent) noexcept nogil:
        """Become a copy of a network of the same widths and slots, which draws stored events of its own."""
        cdef size_t skip = (VALUE_SLOTS + self.slots) * sizeof(float), first = skip * self.h1
        cdef size_t rest = self.n_rest * sizeof(float)
        cdef Py_ssize_t of_values = VALUE_SLOTS * self.h1
        memcpy(self.w1 - of_values, parent.w1 - of_values, first)
        memcpy(self.w1_mean - of_values, parent.w1_mean - of_values, first)
        memcpy(self.w1_square - of_values, parent.w1_square - of_values, first)
        memcpy(self.w1_average - of_values, parent.w1_average - of_values, first)
        memcpy(self.u - VALUE_SLOTS, parent.u - VALUE_SLOTS, skip)
        memcpy(self.u_mean - VALUE_SLOTS, parent.u_mean - VALUE_SLOTS, skip)
        memcpy(self.u_square - VALUE_SLOTS, parent.u_square - VALUE_SLOTS, skip)
        memcpy(self.u_average - VALUE_SLOTS, parent.u_average - VALUE_SLOTS, skip)
        memcpy(self.v, parent.v, rest)
        memcpy(self.v_mean, parent.v_mean, rest)
        memcpy(self.v_square, parent.v_square, rest)
        memcpy(self.v_average, parent.v_average, rest)
        self.power1, self.power2 = parent.power1, parent.power2
        self.scale, self.count, self.oldest = parent.scale, parent.count, parent.oldest
        self.agreement.copy(parent.agreement)
        self.lags_used, self.takes_values, self.replay_size = parent.lags_used, parent.takes_values, parent.replay_size
        self.rate, self.decay, self.average = parent.rate, parent.decay, parent.average
        self.set_momentum(parent.momentum)

    cdef void _restart(self, Py_ssize_t n) noexcept nogil:
        """Begin anew with first weights, of a deviation for events of `n` inputs."""
        cdef Py_ssize_t slot
        self._begin()
        for slot in range(-VALUE_SLOTS, self.slots):
            self.start_slot(slot, slot, sqrt(2.0 / n))
        self.n_restarts += 1

    def start_all(self, Py_ssize_t slots, double deviation):
        """Draw the first weights of so many inputs."""
        self.grow(slots)
        for slot in range(slots):
            self.start_slot(slot, slot, deviation)

    def predict_one(self, InputBuffer buffer):
        """Return the output for an event."""
        return self.serve(&buffer.inputs)

    def learn_one(self, InputBuffer buffer, double target):
        """Take one step on an event."""
        self.learn(&buffer.inputs, target)
        self._end_batch()

    def gradient(self, list buffers, list targets):
        """Return the average gradient of half the squared errors and the penalty: ``first``, ``skip`` and ``rest``.

        The first two have one row for each input.
        """
        cdef InputBuffer buffer
        for buffer, target in zip(buffers, targets, strict=True):
            self._accumulate(&buffer.inputs, self.forward(&buffer.inputs) - <double>target)
        self._finish_gradient()
        rest = np.array(self.scratch)
        of_first, of_skip = self.buffer.arrays[0], self.buffer.arrays[1]
        first = of_first[VALUE_SLOTS * self.buffer.width :][: self.slots * self.h1].reshape(-1, self.h1)
        skip = of_skip[VALUE_SLOTS:][: self.slots]
        gradient = {"first": first.copy(), "skip": skip.copy(), "rest": rest[len(rest) - self.n_rest :]}
        self._clear()
        return gradient

    def save(self, Py_ssize_t slots, Py_ssize_t n_values=0):
        """Return the arrays of the network.

        Args:
            slots: Number of slots from 0 on that are saved.
            n_values: Number of slots below 0; they come before the others, the lowest first.
        """
        numbers = [self.power1, self.power2, self.scale, self.count]
        parts = {}
        for name, arrays, start, shape in self._tables(slots, n_values):
            for slot, array in zip(SUFFIXES, arrays):
                parts[name + slot] = array[start : start + prod(shape)].reshape(shape).astype(np.float64)
        return {
            **parts,
            "numbers": np.array(numbers),
            "counts": np.array([self.oldest, self.n_restarts], dtype=np.int64),
            "agreement": self.agreement.save(),
            "random": np.array([self.random], dtype=np.uint64),
        }

    def _tables(self, Py_ssize_t slots, Py_ssize_t n_values):
        """Return name, arrays, first place and shape of the parts of the state."""
        rows, unused = slots + n_values, VALUE_SLOTS - n_values
        return (
            ("first", self.first, unused * self.h1, (rows, self.h1)),
            ("skip", self.skip, unused, (rows,)),
            ("rest", self.rest, 0, (self.n_rest,)),
        )

    def restore(self, dict state, Py_ssize_t slots, Py_ssize_t n_values=0):
        """Restore what `save` returned; there is room for as many inputs.

        Raises:
            ValueError: If a shape is wrong, or a number is out of its range.
        """
        numbers, counts = state["numbers"], state["counts"]
        tables = self._tables(slots, n_values)
        for name, _, _, shape in tables:
            for slot in SUFFIXES:
                array = state[name + slot]
                if array.shape != shape or (np.abs(array) > FLOAT_MAX).any():
                    raise ValueError(f"The state's {name + slot} must be {shape} single-precision numbers.")
        if (len(numbers) != 4 or (numbers < 0.0).any() or (numbers[:2] > 1.0).any() or len(counts) != 2
                or (counts < 0).any() or len(state["random"]) != 1):
            raise ValueError("The state's numbers of a network are out of range.")
        for name, arrays, start, shape in tables:
            for slot, array in zip(SUFFIXES, arrays):
                array[:] = 0.0
                array[start : start + prod(shape)] = state[name + slot].ravel()
        self.power1, self.power2, self.scale, self.count = numbers.tolist()
        self.oldest, self.n_restarts = counts.tolist()
        self.agreement.restore(state["agreement"])
        self.random = int(state["random"][0])


cdef inline void rectify(float* a, Py_ssize_t n) noexcept nogil:
    """Replace negative values and NaN by zero."""
    cdef Py_ssize_t i
    for i in range(n):
        a[i] = a[i] if a[i] > 0.0 else 0.0
