"""Evolution of the networks of an ensemble: the worst becomes a mutated copy of the best.

Population-based training (Jaderberg et al. 2017, "Population Based Training of Neural Networks", arXiv:1711.09846) on a
stream. The fitness of a network is its error on the events of a generation, each predicted before it was learned::

    Lᵢ = Σ |y - pᵢ|                                    over the events of a generation
    worst <- copy of the best                          weights, Adam's averages, hyper-parameters
    h <- min(max(h exp(f σ N(0, 1)), least), most)     for each hyper-parameter h of the copy

The kind of a network is the lags that it gets, whether its target is the change or the label, and whether it takes repeated
values. A copy is of the kind of its original. The last network of its lags and target is not replaced, so that the ensemble
can follow a stream on which another kind becomes the better one.
"""
import numpy as np

from libc.math cimport exp, fabs

from edgedescent.ensemble._members cimport NetworkMember
from edgedescent.ensemble._network cimport Network
from edgedescent.numerics._random cimport next_normal

# Of the hyper-parameters, in the order of `TRAITS`. `rest` is 1 - momentum.
cdef Bounds RATE = Bounds(0.0005, 0.02, 1.0)
cdef Bounds DECAY = Bounds(1e-6, 0.01, 2.0)
cdef Bounds REST = Bounds(0.02, 0.5, 1.0)
cdef Bounds AVERAGE = Bounds(0.003, 0.3, 1.0)
# The largest value is that of the ensemble.
cdef double REPLAY_MIN = 100.0

TRAITS = ("rate", "decay", "momentum", "average", "replay_size")
"""Names of the hyper-parameters that mutate."""


cdef class Evolution:
    """Selection and mutation of networks of the same widths.

    Args:
        members: The networks, as members of the ensemble.
        first: Number of the first one's prediction among those of the mixture.
        generation_events: Number of events of a generation, after which the worst network is replaced.
        first_events: Number of events of the first generation.
        spread: Standard deviation σ of the logarithm of a mutation.
        replay_max: Largest number of events that a network may replay.
        seed: Seed of the mutations.

    Raises:
        ValueError: If there are no networks, or their widths differ.
    """

    def __init__(self, tuple members, Py_ssize_t first, Py_ssize_t generation_events,
                 Py_ssize_t first_events, double spread, Py_ssize_t replay_max, uint64_t seed):
        cdef Py_ssize_t i
        cdef NetworkMember member
        widths = {one.model.hidden for one in members}
        if len(widths) != 1:
            raise ValueError(f"Networks that evolve must have the same widths. Got {sorted(widths)}.")
        self.members, self.n, self.first = members, len(members), first
        self.generation_events, self.first_events = generation_events, first_events
        self.spread, self.replay_max = spread, <double>replay_max
        self.n_events = self.n_generations = self.n_replaced = self.best = 0
        self.random = seed
        for i in range(self.n):
            member = members[i]
            self.pointers[i], self.networks[i] = <PyObject*>member, <PyObject*>member.model
            self.losses[i] = 0.0

    cdef void learn(self, Mixture mixture, double y) noexcept nogil:
        """Take in the errors of the predictions that were mixed last; a generation may end with them."""
        cdef Py_ssize_t i
        for i in range(self.n):
            self.losses[i] += fabs(mixture.predictions[self.first + i] - y)
        self.n_events += 1
        if self.n_events < (self.generation_events if self.n_generations else self.first_events):
            return
        self._replace_worst(mixture)
        self.n_events = 0
        for i in range(self.n):
            self.losses[i] = 0.0

    def learn_one(self, Mixture mixture, double y):
        """Take in the errors of the predictions that were mixed last; a generation may end with them."""
        self.learn(mixture, y)

    cdef bint _is_last_of_its_kind(self, Py_ssize_t i) noexcept nogil:
        cdef Py_ssize_t j
        for j in range(self.n):
            if (j != i and (<NetworkMember>self.pointers[j]).on_change == (<NetworkMember>self.pointers[i]).on_change
                    and (<Network>self.networks[j]).lags_used == (<Network>self.networks[i]).lags_used):
                return False
        return True

    cdef void _replace_worst(self, Mixture mixture) noexcept nogil:
        """Let the worst network become a mutated copy of the best one, unless it is as good or the last of its kind."""
        cdef Py_ssize_t best = 0, worst = -1, i
        for i in range(1, self.n):
            best = i if self.losses[i] < self.losses[best] else best
        for i in range(self.n):
            if (self.losses[i] > self.losses[best] and not self._is_last_of_its_kind(i)
                    and (worst < 0 or self.losses[i] > self.losses[worst])):
                worst = i
        self.n_generations += 1
        self.best = best
        if worst < 0:
            return
        self.n_replaced += 1
        (<Network>self.networks[worst]).inherit(<Network>self.networks[best])
        (<NetworkMember>self.pointers[worst]).on_change = (<NetworkMember>self.pointers[best]).on_change
        mixture.inherit(self.first + worst, self.first + best)
        self._mutate(worst)

    cdef void _mutate(self, Py_ssize_t i) noexcept nogil:
        """Mutate the hyper-parameters of a network."""
        cdef Bounds replayed = Bounds(min(REPLAY_MIN, self.replay_max), self.replay_max, 1.0)
        cdef double rest
        (<Network>self.networks[i]).rate = self._mutated((<Network>self.networks[i]).rate, &RATE)
        (<Network>self.networks[i]).decay = <float>self._mutated((<Network>self.networks[i]).decay, &DECAY)
        rest = self._mutated(1.0 - (<Network>self.networks[i]).momentum, &REST)
        (<Network>self.networks[i]).set_momentum(1.0 - rest)
        (<Network>self.networks[i]).average = <float>self._mutated((<Network>self.networks[i]).average, &AVERAGE)
        (<Network>self.networks[i]).replay_size = <Py_ssize_t>self._mutated(
            <double>(<Network>self.networks[i]).replay_size, &replayed)

    cdef double _mutated(self, double value, const Bounds* bounds) noexcept nogil:
        value *= exp(bounds.factor * self.spread * next_normal(&self.random))
        value = value if value < bounds.most else bounds.most
        return value if value > bounds.least else bounds.least

    def traits(self):
        """Return the hyper-parameters `TRAITS` of each network, shape (n, 5)."""
        return np.array([[getattr(one.model, name) for name in TRAITS] for one in self.members], dtype=np.float64)

    def kinds(self):
        """Return the kind of each network, shape (n, 3).

        That is the number of its lags, 1 where its target is the change or else 0, and 1 where it takes repeated values.
        """
        return np.array(
            [[one.model.lags_used, one.on_change, one.model.takes_values] for one in self.members], dtype=np.int64)

    def present(self, members):
        """Return the specification of the members with the kinds and hyper-parameters that the networks have now."""
        networks = [
            one._replace(
                n_lags=member.model.lags_used, on_change=member.on_change, takes_values=member.model.takes_values,
                rate=member.model.rate, decay=member.model.decay, replay_size=member.model.replay_size)
            for one, member in zip(members.networks, self.members)
        ]
        return members._replace(networks=tuple(networks))

    def summary(self):
        """Return lines that say how many generations there were, and with what hyper-parameters the best network learns."""
        cdef Network network = self.members[self.best].model
        if self.n_generations == 0:
            return [f"generations of networks: 0, the first of {self.first_events:,} events"]
        return [
            f"generations of networks: {self.n_generations:,}, networks replaced: {self.n_replaced:,}",
            f"best of the last generation: {self.members[self.best].names()[0]}",
            f"its rate: {network.rate:.3g}, decay: {network.decay:.3g}, momentum: {network.momentum:.3g}, "
            f"average: {network.average:.3g}",
        ]

    def save(self):
        """Return the hyper-parameters and kinds of the networks, and the errors of this generation."""
        return {
            "evolution.traits": self.traits(),
            "evolution.kinds": self.kinds(),
            "evolution.losses": np.array([self.losses[i] for i in range(self.n)]),
            "evolution.counts": np.array([self.n_events, self.n_generations, self.n_replaced, self.best], dtype=np.int64),
            "evolution.random": np.array([self.random], dtype=np.uint64),
        }

    def restore(self, dict state):
        """Restore what `save` returned.

        Raises:
            ValueError: If a shape is wrong, or a number is out of its range.
        """
        cdef Py_ssize_t i
        cdef Network network
        traits, kinds, losses = state["evolution.traits"], state["evolution.kinds"], state["evolution.losses"]
        counts, random = state["evolution.counts"], state["evolution.random"]
        if (traits.shape != (self.n, len(TRAITS)) or kinds.shape != (self.n, 3) or losses.shape != (self.n,)
                or counts.shape != (4,) or random.shape != (1,)):
            raise ValueError(f"The state's evolution of {self.n} networks has other shapes.")
        if ((traits <= 0.0).any() or (traits[:, :4] >= 1.0).any() or (traits[:, 4] > self.replay_max).any()
                or (losses < 0.0).any() or (counts < 0).any() or counts[3] >= self.n or (kinds < 0).any()
                or (kinds[:, 1:] > 1).any() or (kinds[:, 0] > (<Network>self.networks[0]).n_lags).any()):
            raise ValueError("A number in the state's evolution is out of its range.")
        for i in range(self.n):
            network = (<NetworkMember>self.pointers[i]).model
            network.rate, network.decay, network.average = traits[i, 0], traits[i, 1], traits[i, 3]
            network.set_momentum(traits[i, 2])
            network.replay_size, network.lags_used, network.takes_values = int(traits[i, 4]), kinds[i, 0], kinds[i, 2]
            (<NetworkMember>self.pointers[i]).on_change = kinds[i, 1]
            self.losses[i] = losses[i]
        self.n_events, self.n_generations, self.n_replaced, self.best = counts.tolist()
        self.random = int(random[0])
