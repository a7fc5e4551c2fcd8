"""Mixture of the predictions of experts, weighted by their regret.

Members and stacks are the experts. With their predictions pᵢ and the weights wᵢ that follow their regret, as in
`edgedescent.ensemble._regret_weights`, the mixture is f = c + Σ wᵢ pᵢ.

The shift c is 0 but for a quantile, to which it moves all experts, so that they need not predict it themselves. It follows
the errors, with e the weighted mean absolute error of the experts and ρ = max(1 / n, 0.03) (online subgradient descent)::

    c <- c - ρ e l' / 2                            within ±100 e

Over many labels, a share of q of them is therefore below the prediction: each label moves c by ρ e (q - 1) or ρ e q.

Beside the members there are two stacks, which are recursive least squares on the predictions of the members as
differences to the last label. A stack alone is unsafe; as an expert it is trusted only while it is better.
"""
import numpy as np

from cpython.object cimport PyObject
from libc.math cimport fabs, fmax, fmin, sqrt

from edgedescent.ensemble._aim cimport QUANTILE, make_aim
from edgedescent.ensemble._regret_weights cimport slope_of

# Rate at which the shift to a quantile follows.
cdef double SHIFT_RATE = 0.03
# Bound on what is measured in the scale of the label, after a change of it: labels are smaller.
cdef double LARGEST = 1e102
# Bound on the shift, in mean absolute errors of the experts.
cdef double SHIFT_MAX = 100.0
# Rates at which the mean absolute errors and the deviation of the changes follow.
cdef double ERROR_RATE = 0.01
cdef double CHANGE_RATE = 0.002
# Part of the regrets that is kept where the scale of the label changes.
cdef double REMEMBERED = 0.05

cdef enum:
    KNOWN_AFTER = 20
    STACKED_AFTER = 5


cdef class Mixture:
    """Weights of experts that follow their regret.

    Args:
        n_members: Number of members; the first predicts the last label.
        stacks: Forgetting factors of the stacks.
        forgetting: Factor φ on regrets, per event.
        loss: The loss l, absolute, squared or that of a quantile.
    """

    def __init__(self, Py_ssize_t n_members, tuple stacks, double forgetting, loss):
        cdef Py_ssize_t i, j
        cdef LeastSquares stack
        if len(stacks) > STACKS_MAX:
            raise ValueError(f"A mixture has at most {STACKS_MAX} stacks. Got {len(stacks)}.")
        self.n_members, self.n_experts = n_members, n_members + len(stacks)
        self.aim = make_aim(loss)
        self.trust = RegretWeights(self.n_experts, forgetting)
        cdef double[:, ::1] numbers = np.zeros((3, self.n_experts))
        cdef int[::1] places = np.arange(n_members, dtype=np.int32)
        self.predictions, self.z, self.errors = &numbers[0, 0], &numbers[1, 0], &numbers[2, 0]
        self.places = &places[0]
        self.arrays = [np.asarray(numbers), places]
        self.forgettings = stacks
        self.stacks = tuple(LeastSquares(n_members, forgetting, 1.0) for forgetting in stacks)
        for j in range(len(stacks)):
            stack = self.stacks[j]
            self.stack_pointers[j] = <PyObject*>stack
            stack.reserve(n_members)
            for i in range(n_members):
                stack.start(i)
                stack.w[i] = 1.0 / n_members
        self.change = self.error = self.count = self.prediction = self.shift = 0.0

    cdef double mix(self, double base, double lowest, double highest) noexcept nogil:
        """Return the mixture of the members' `predictions`, which the caller has filled in.

        Args:
            base: Last label.
            lowest: Least prediction that an expert may make.
            highest: Largest one.
        """
        cdef double scale = self.change if self.change > 0.0 else 1.0, stacked
        cdef Py_ssize_t i
        for i in range(self.n_members):
            self.predictions[i] = clamped(self.predictions[i], lowest, highest, base)
            self.z[i] = (self.predictions[i] - base) / scale
        for i in range(self.n_members, self.n_experts):
            stacked = base + scale * (<LeastSquares>self.stack_pointers[i - self.n_members]).predict(
                self.places, self.z, self.n_members)
            self.predictions[i] = clamped(stacked, lowest, highest, base)
        self.centre = self.trust.mix(self.predictions)
        if self.count == 0.0:
            self.prediction = base
            return base
        self.prediction = self.centre
        if self.shift != 0.0:
            self.prediction = clamped(self.prediction + self.shift, lowest, highest, base)
        return self.prediction

    def mix_one(self, const double[::1] predictions, double base, double lowest, double highest):
        """Return the mixture of predictions of the members, shape (n_members,)."""
        cdef Py_ssize_t i
        for i in range(self.n_members):
            self.predictions[i] = predictions[i]
        return self.mix(base, lowest, highest)

    def learn_one(self, double base, double y):
        """Take in the label of the event that was mixed last."""
        self.learn(base, y)

    def experts(self):
        """Return the weights and the forgetting mean absolute errors of the experts, shape (2, n_experts)."""
        self.trust.weigh()
        return np.array([self.trust.arrays[1], self.arrays[0][2]])

    @property
    def mean_error(self):
        """Forgetting mean absolute error of the mixture."""
        return self.error

    cdef void inherit(self, Py_ssize_t child, Py_ssize_t parent) noexcept nogil:
        """Let a member that has become a copy of another one share that one's regret."""
        cdef Py_ssize_t j
        self.trust.inherit(child, parent)
        self.errors[child] = self.errors[parent]
        for j in range(self.n_experts - self.n_members):
            (<LeastSquares>self.stack_pointers[j]).start(child)

    cdef void begin_anew(self, double factor) noexcept nogil:
        """Forget most of the regrets, after the scale of the label has changed by `factor`."""
        cdef Py_ssize_t i, j
        self.trust.forget(REMEMBERED)
        for i in range(self.n_experts):
            self.errors[i] = fmin(self.errors[i] * factor, LARGEST)
        for j in range(self.n_experts - self.n_members):
            (<LeastSquares>self.stack_pointers[j]).forget_scale()
            for i in range(self.n_members):
                (<LeastSquares>self.stack_pointers[j]).reopen(i)
        self.change = fmin(self.change * factor, LARGEST)
        self.error = fmin(self.error * factor, LARGEST)
        self.shift = clamped(self.shift * factor, -LARGEST, LARGEST, 0.0)
        self.count = 1.0

    cdef double known_error(self) noexcept nogil:
        """Return the forgetting mean absolute error of the mixture; 0 while it stems from too few labels."""
        return self.error if self.count > KNOWN_AFTER else 0.0

    cdef void learn(self, double base, double y) noexcept nogil:
        """Take in the label of the event that was mixed last."""
        cdef double error = self.prediction - y, size = fabs(error), slope, scale
        cdef double change = (y - base) * (y - base), rate
        cdef Py_ssize_t i
        if self.count > 0.0:
            scale = self.error if self.error > 0.0 else (size if size > 0.0 else 1.0)
            self.trust.learn(self.predictions, self.aim, y, self.centre, self.prediction, scale)
            for i in range(self.n_experts):
                self.errors[i] += fmax(1.0 / self.count, ERROR_RATE) * (fabs(y - self.predictions[i]) - self.errors[i])
            if self.count > STACKED_AFTER:
                scale = self.change if self.change > 0.0 else 1.0
                for i in range(self.n_members, self.n_experts):
                    (<LeastSquares>self.stack_pointers[i - self.n_members]).learn(
                        self.places, self.z, self.n_members, (y - base) / scale)
            if self.aim.kind == QUANTILE:
                # Half of the slope, in units of the errors without the shift.
                slope = slope_of(self.aim, error, scale)
                scale = 0.0
                for i in range(self.n_experts):
                    scale += self.trust.weights[i] * self.errors[i]
                self.shift -= fmax(1.0 / self.count, SHIFT_RATE) * 0.5 * slope * scale
                self.shift = clamped(self.shift, -SHIFT_MAX * scale, SHIFT_MAX * scale, 0.0)
            # After the stacks, whose inputs have the scale from before.
            rate = 1.0 / self.count
            if self.count > KNOWN_AFTER:
                change = fmin(change, 25.0 * self.change * self.change)
                size = fmin(size, 5.0 * self.error)
            self.change = sqrt(self.change * self.change + fmax(rate, CHANGE_RATE) * (change - self.change * self.change))
            self.error += fmax(rate, ERROR_RATE) * (size - self.error)
        self.count += 1.0

    def save(self):
        """Return the regrets, the numbers and the stacks."""
        stacks = {f"stack{i}.{name}": value for i, stack in enumerate(self.stacks) for name, value in stack.save().items()}
        return {
            **self.trust.save(),
            "mixture.errors": np.array(self.arrays[0][2]),
            "mixture.numbers": np.array([self.change, self.error, self.count]),
            "mixture.shift": np.array([self.shift]),
            **stacks,
        }

    def restore(self, dict state):
        """Restore what `save` returned.

        Raises:
            ValueError: If it is inconsistent.
        """
        numbers, errors, shift = state["mixture.numbers"], state["mixture.errors"], state["mixture.shift"]
        if numbers.shape != (3,) or (numbers < 0.0).any() or errors.shape != (self.n_experts,) or (errors < 0.0).any() \
                or shift.shape != (1,):
            raise ValueError("The state's mixture is inconsistent.")
        self.trust.restore(state)
        for i, stack in enumerate(self.stacks):
            prefix = f"stack{i}."
            parts = {name[len(prefix):]: value for name, value in state.items() if name.startswith(prefix)}
            stack.restore(parts, self.n_members)
        self.arrays[0][2] = errors
        self.change, self.error, self.count = numbers.tolist()
        self.shift = float(shift[0])


cdef inline double clamped(double prediction, double lowest, double highest, double otherwise) noexcept nogil:
    """Return a prediction, moved into a range; `otherwise` for NaN."""
    if prediction > highest:
        return highest
    if prediction < lowest:
        return lowest
    return prediction if prediction == prediction else otherwise
