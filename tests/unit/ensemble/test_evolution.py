"""Evolution of networks: who is replaced by whom, what a copy takes over, and how its hyper-parameters mutate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgedescent.ensemble._evolution import TRAITS, Evolution
from edgedescent.ensemble._inputs import InputBuffer
from edgedescent.ensemble._members import NetworkMember
from edgedescent.ensemble._mixture import Mixture
from edgedescent.ensemble._network import Network
from edgedescent.losses import AbsoluteLoss

N_LAGS, SLOTS, REPLAY_MAX = 3, 6, 2000
FORECASTS = 2
"""Number of predictions in front of those of the networks."""
KINDS = ((1, True), (1, True), (3, False), (3, False))
"""Number of lags of each network, and whether its target is the change."""
GENERATION = 5


def population(*kinds: tuple[int, bool], spread: float = 0.3, seed: int = 7) -> Evolution:
    members = []
    for i, (lags_used, on_change) in enumerate(kinds):
        network = Network(N_LAGS, lags_used, (5, 4), 0.004, 0.0002, 3, REPLAY_MAX, seed=i, takes_values=i % 2 == 1)
        network.start_all(SLOTS, 0.5)
        members.append(NetworkMember(network, on_change))
    return Evolution(tuple(members), FORECASTS, GENERATION, GENERATION, spread, REPLAY_MAX, seed)


def mixture_of(evolution: Evolution) -> Mixture:
    mixture = Mixture(FORECASTS + len(evolution.members), (0.999,), 0.9995, AbsoluteLoss())
    # The weights follow predictions from the second label on.
    live(evolution, mixture, [1.0] * len(evolution.members), n=0)
    return mixture


def live(evolution: Evolution, mixture: Mixture, errors: list[float], n: int = GENERATION) -> None:
    """Let each network be wrong by its error, `n` times."""
    for t in range(n):
        y = 10.0 + t % 2
        predictions = np.array([y + 3.0, y - 4.0, *(y + error for error in errors)])
        mixture.mix_one(predictions, 10.0, -100.0, 100.0)
        mixture.learn_one(10.0, y)
        evolution.learn_one(mixture, y)


def weights(member: NetworkMember) -> dict[str, Any]:
    state = member.model.save(SLOTS)
    return {name: value for name, value in state.items() if name.split("_")[0] in {"first", "skip", "rest"}}


def taught(evolution: Evolution) -> None:
    """Give the networks weights and averages of Adam that differ."""
    rng, buffer = np.random.default_rng(1), InputBuffer(N_LAGS)
    for member in evolution.members:
        for _ in range(20):
            buffer.set(list(range(SLOTS)), rng.normal(size=SLOTS))
            member.model.learn_one(buffer, float(rng.normal()))


def test_the_worst_becomes_a_copy_of_the_best_with_its_weights_and_its_averages_of_adam() -> None:
    evolution = population(*KINDS)
    taught(evolution)
    mixture = mixture_of(evolution)
    live(evolution, mixture, [2.0, 0.5, -3.0, 1.0], n=GENERATION - 1)
    before = [weights(member) for member in evolution.members]
    assert (evolution.n_generations, evolution.n_replaced) == (0, 0)
    live(evolution, mixture, [2.0, 0.5, -3.0, 1.0], n=1)
    assert (evolution.n_generations, evolution.n_replaced, evolution.best) == (1, 1, 1)
    for number, member in enumerate(evolution.members):
        expected = before[1] if number == 2 else before[number]
        for name, value in weights(member).items():
            np.testing.assert_array_equal(value, expected[name], err_msg=f"{number} {name}")
    assert evolution.kinds().tolist() == [[1, 1, 0], [1, 1, 1], [1, 1, 1], [3, 0, 1]]
    best, copy = evolution.members[1].model, evolution.members[2].model
    states = [one.save(SLOTS) for one in (best, copy)]
    np.testing.assert_array_equal(states[0]["numbers"], states[1]["numbers"])
    for name in ("recent", "usual", "replayed", "count"):
        assert getattr(copy.agreement, name) == getattr(best.agreement, name)
    # Its draws stay its own.
    assert states[0]["random"][0] != states[1]["random"][0]


def test_the_errors_of_a_generation_are_added_up() -> None:
    evolution = population(*KINDS)
    mixture = mixture_of(evolution)
    # Each is the best once; over the generation it is the last one.
    for errors in ([0.1, 9.0, 9.0, 1.0], [9.0, 0.1, 9.0, 1.0], [9.0, 9.0, 0.1, 1.0], [1.0] * 4):
        live(evolution, mixture, errors, n=1)
    assert evolution.save()["evolution.losses"] == pytest.approx([19.1, 19.1, 19.1, 4.0])
    live(evolution, mixture, [1.0, 2.0, 1.0, 1.0], n=1)
    assert evolution.best == 3
    assert evolution.kinds()[1].tolist() == [3, 0, 1]
    assert evolution.save()["evolution.losses"].tolist() == [0.0] * 4


def test_the_regret_of_the_original_is_shared_with_its_copy() -> None:
    evolution = population(*KINDS)
    mixture = mixture_of(evolution)
    live(evolution, mixture, [2.0, 0.5, -3.0, 1.0], n=GENERATION - 1)
    # Beside the networks, the last event changes the mixture in the same way whether a generation ends or not.
    other = mixture_of(population(*KINDS))
    other.restore(mixture.save())
    live(evolution, mixture, [2.0, 0.5, -3.0, 1.0], n=1)
    untouched = population(*KINDS)
    live(untouched, other, [2.0, 0.5, -3.0, 1.0], n=1)
    before, after = other.save()["mixture.regrets"], mixture.save()["mixture.regrets"]
    best, worst = FORECASTS + 1, FORECASTS + 2
    for old, new in zip(*(np.moveaxis(one, 1, 0) for one in (before, after)), strict=True):
        assert new[0, [best, worst]] == pytest.approx([old[0, best] / 2.0] * 2)
        assert new[1, [best, worst]] == pytest.approx([old[1, best]] * 2)
    rest = [i for i in range(mixture.n_experts) if i not in (best, worst)]
    np.testing.assert_array_equal(after[..., rest], before[..., rest])
    assert mixture.experts()[0, [best, worst]].sum() == pytest.approx(
        other.experts()[0, best] / (1.0 - other.experts()[0, worst]), rel=1e-3
    )


def test_stacks_learn_the_weight_of_a_copy_anew() -> None:
    evolution = population(*KINDS)
    mixture = mixture_of(evolution)
    # A stack begins to learn in the second generation. In both the third network is the worst.
    live(evolution, mixture, [2.0, 0.5, -3.0, 1.0], n=2 * GENERATION)
    state = mixture.save()
    assert evolution.n_replaced == 2
    assert state["stack0.weights"][FORECASTS + 2] == state["stack0.variances"][FORECASTS + 2] == 0.0
    assert (state["stack0.weights"][[FORECASTS, FORECASTS + 1, FORECASTS + 3]] != 0.0).all()


def test_the_last_network_of_a_kind_is_not_replaced() -> None:
    evolution = population((1, True), (1, True), (3, True), (3, False))
    mixture = mixture_of(evolution)
    live(evolution, mixture, [0.1, 0.2, 5.0, 4.0])
    assert evolution.kinds().tolist() == [[1, 1, 0], [1, 1, 0], [3, 1, 0], [3, 0, 1]]
    assert evolution.n_replaced == 1
    # Its copy is of the same kind: from now on there is one of the first kind, and two of the third.
    live(evolution, mixture, [5.0, 4.0, 0.2, 0.1])
    assert evolution.kinds().tolist() == [[3, 0, 1], [1, 1, 0], [3, 1, 0], [3, 0, 1]]
    live(evolution, mixture, [0.1, 5.0, 5.0, 0.1])
    assert (evolution.n_generations, evolution.n_replaced) == (3, 2)


def test_equal_networks_are_left_alone() -> None:
    evolution = population(*KINDS)
    live(evolution, mixture_of(evolution), [0.5, -0.5, 0.5, 0.5])
    assert (evolution.n_generations, evolution.n_replaced) == (1, 0)


def test_mutations_are_drawn_from_the_seed_and_spread_as_asked() -> None:
    def logarithms(spread: float, seed: int) -> Any:
        found = []
        for number in range(200):
            evolution = population((1, True), (1, True), spread=spread, seed=seed + number)
            first = evolution.traits()[0]
            live(evolution, mixture_of(evolution), [0.1, 0.2])
            one = evolution.traits()
            np.testing.assert_array_equal(one[0], first)
            one[:, TRAITS.index("momentum")] = 1.0 - one[:, TRAITS.index("momentum")]
            found.append(np.log(one[1] / one[0]))
        return np.array(found)

    few = logarithms(0.05, 1)
    # The window cannot grow: half of its mutations end at the bound.
    assert few.std(axis=0)[:4] == pytest.approx([0.05, 0.1, 0.05, 0.05], rel=0.15)
    assert (few[:, 4] == 0.0).mean() == pytest.approx(0.5, abs=0.1)
    np.testing.assert_array_equal(few, logarithms(0.05, 1))
    assert (logarithms(0.05, 1000) != few).any()
    assert not logarithms(0.0, 1).any()


def test_hyper_parameters_stay_within_their_bounds() -> None:
    evolution = population((1, True), (1, True), spread=2.0)
    mixture = mixture_of(evolution)
    seen = []
    for number in range(300):
        live(evolution, mixture, [0.1, 0.2] if number % 2 else [0.2, 0.1])
        seen.append(evolution.traits())
    traits = np.concatenate(seen)
    least, most = traits.min(axis=0), traits.max(axis=0)
    assert least == pytest.approx([0.0005, 1e-6, 0.5, 0.003, 100.0])
    assert most == pytest.approx([0.02, 0.01, 0.98, 0.3, REPLAY_MAX])


def test_a_restored_evolution_goes_on_with_the_same_bits() -> None:
    evolution = population(*KINDS)
    mixture = mixture_of(evolution)
    live(evolution, mixture, [2.0, 0.5, -3.0, 1.0], n=2 * GENERATION + 2)
    again, other = population(*KINDS, seed=99), mixture_of(population(*KINDS))
    again.restore(evolution.save())
    other.restore(mixture.save())
    for one, two in ((evolution, mixture), (again, other)):
        live(one, two, [0.3, 0.5, -3.0, 1.0], n=2 * GENERATION)
    for name, value in evolution.save().items():
        np.testing.assert_array_equal(again.save()[name], value, err_msg=name)


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("traits", (0, 0), 0.0),
        ("traits", (1, 2), 1.0),
        ("traits", (1, 4), REPLAY_MAX + 1.0),
        ("kinds", (0, 0), N_LAGS + 1),
        ("kinds", (0, 1), 2),
        ("kinds", (0, 2), 2),
        ("losses", (0,), -1.0),
        ("counts", (3,), len(KINDS)),
        ("counts", (0,), -1),
    ],
)
def test_a_state_out_of_range_is_refused(name: str, place: tuple[int, ...], value: float) -> None:
    evolution = population(*KINDS)
    state = evolution.save()
    state[f"evolution.{name}"][place] = value
    with pytest.raises(ValueError, match="A number in the state's evolution is out of its range"):
        evolution.restore(state)


@pytest.mark.parametrize("name", ["traits", "kinds", "losses", "counts", "random"])
def test_a_state_of_another_shape_is_refused(name: str) -> None:
    evolution = population(*KINDS)
    state = evolution.save()
    state[f"evolution.{name}"] = state[f"evolution.{name}"][:-1]
    with pytest.raises(ValueError, match="evolution of 4 networks has other shapes"):
        evolution.restore(state)


def test_networks_of_other_widths_cannot_be_copied() -> None:
    members = tuple(NetworkMember(Network(N_LAGS, 1, (width,), 0.01, 0.0, 0, 10, 1), True) for width in (4, 5))
    with pytest.raises(ValueError, match=r"must have the same widths\. Got \[\(4,\), \(5,\)\]\."):
        Evolution(members, 0, 5, 5, 0.3, 100, 1)
