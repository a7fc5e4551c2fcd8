"""Contract checks for learners, one function each; LEARNER_CHECKS at the end lists them."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable
from functools import partial
from typing import Any

from edgedescent.learners import Learner
from edgedescent.testing.events import (
    broken_events,
    events,
    fresh_events,
    learn,
    strange_events,
    takes_interactions,
    target,
    trained,
    wrong_events,
)
from edgedescent.testing.support import (
    bits,
    frozen,
    require,
    require_finite,
    require_names,
    require_refused,
    size,
    spoiled,
)


def check_learner(learner: Learner) -> None:
    """Run all of LEARNER_CHECKS on fresh copies of `learner`.

    Raises:
        AssertionError: If a check fails; the message describes the violation.

    >>> from edgedescent import MatrixFactorization
    >>> check_learner(MatrixFactorization(n_factors=4))
    """
    for check in LEARNER_CHECKS:
        check(learner)


def check_parameters_round_trip(learner: Learner) -> None:
    """Check that `get_params` returns every constructor argument, and that they make an equal learner."""
    params = learner.get_params()
    names = set(inspect.signature(type(learner)).parameters)
    require(
        learner, set(params) == names, f"get_params() gives {sorted(params)}, the constructor takes {sorted(names)}"
    )
    again = type(learner)(**params).get_params()
    require(learner, again == params, f"made from {params}, a learner reports {again}")


def check_clone_has_learned_nothing(learner: Learner) -> None:
    """Check that a clone has the same parameters, an untrained state, and no state shared with the original."""
    model, fresh = trained(learner), bits(learner.clone())
    before = bits(model)
    clone = model.clone()
    require(learner, type(clone) is type(learner), f"its clone is a {type(clone).__name__}")
    require(learner, clone.get_params() == learner.get_params(), "its clone has other parameters")
    require(learner, bits(clone) == fresh, "the clone of a trained learner is not as new")
    learn(clone, events(learner, 20, seed=2))
    require(learner, bits(model) == before, "what a clone learns changes the original")


def check_predictions_are_finite_floats(learner: Learner) -> None:
    """Check that `predict_one` returns a finite float, even before the first event, and `learn_one` returns None."""
    model: Any = learner.clone()
    for event in events(learner, 60):
        prediction = model.predict_one(*event[:-1])
        require(learner, type(prediction) is float, f"predict_one gives a {type(prediction).__name__}, not a float")
        require(learner, math.isfinite(prediction), f"predict_one{event[:-1]} gives {prediction}")
        returned = model.learn_one(*event)
        require(learner, returned is None, f"learn_one returns {returned!r}, not None")


def check_predicting_leaves_the_state(learner: Learner) -> None:
    """Check that predicting changes no bit of the state, for known, unknown, missing and broken inputs."""
    model: Any = trained(learner)
    before = bits(model)
    inputs = [event[:-1] for event in (*events(learner, 10), *broken_events(learner), *strange_events(learner))]
    for given in inputs:
        first, second = model.predict_one(*given), model.predict_one(*given)
        require(learner, first == second, f"predict_one{given} gives {first}, then {second}")
        require(learner, bits(model) == before, f"predict_one{given} changes the state")


def check_predict_learn_one_is_both(learner: Learner) -> None:
    """Check that `predict_learn_one` is equivalent to `predict_one` followed by `learn_one`."""
    one: Any = learner.clone()
    two: Any = learner.clone()
    for event in (*events(learner, 60), *broken_events(learner), *events(learner, 20, seed=3)):
        expected = one.predict_one(*event[:-1])
        one.learn_one(*event)
        got = two.predict_learn_one(*event)
        require(learner, got == expected, f"predict_learn_one{event} gives {got}, predict_one gives {expected}")
    require(learner, bits(one) == bits(two), "predict_learn_one leaves another state than learn_one")


def check_learn_many_is_one_by_one(learner: Learner) -> None:
    """Check that `learn_many` gives the same predictions and state, bit for bit, as single events."""
    one: Any = learner.clone()
    many: Any = learner.clone()
    stream = events(learner, 60)
    targets = [event[-1] for event in stream]
    expected = [one.predict_learn_one(*event) for event in stream]
    if learner.input_kind == "features":
        names = sorted({name for x, _ in stream for name in x})
        got = many.learn_many([[x.get(name) for name in names] for x, _ in stream], targets, names)
    else:
        got = many.learn_many([event[0] for event in stream], [event[1] for event in stream], targets)
    require(learner, list(got) == expected, "learn_many predicts otherwise than predict_learn_one")
    require(learner, bits(one) == bits(many), "learn_many leaves another state than learn_one")


def check_is_deterministic(learner: Learner) -> None:
    """Check that the same events give the same state, bit for bit."""
    require(learner, bits(trained(learner)) == bits(trained(learner)), "one stream leaves two different states")


def check_learns(learner: Learner) -> None:
    """Check that inputs learned with high targets get higher predictions than inputs with low targets."""
    model: Any = learner.clone()
    pair = ((({"side": 1.0},), ({"side": -1.0},)), (("ann", "good"), ("ann", "bad")))
    high, low = pair[0] if learner.input_kind == "features" else pair[1]
    # Interactions have no low targets: an item that only another user took must rank below one's own item.
    seen = ("bob", "bad") if takes_interactions(learner) else low
    targets = target(learner, 5.0), target(learner, 1.0)
    for _ in range(200):
        model.learn_one(*high, targets[0])
        model.learn_one(*seen, targets[1])
    got = model.predict_one(*high), model.predict_one(*low)
    require(
        learner, got[0] > got[1], f"after 200 times {targets[0]} and {targets[1]} it predicts {got[0]} and {got[1]}"
    )


def check_emerging_and_vanishing(learner: Learner) -> None:
    """Check that names can appear and vanish, and that unknown names do not affect predictions."""
    model: Any = learner.clone()
    for n in range(60):
        for event in fresh_events(learner, n // 3):
            model.learn_one(*event)
    if learner.input_kind == "features":
        got = model.predict_one({}), model.predict_one({"never": 1.0})
    else:
        got = model.predict_one("nobody", "nothing"), model.predict_one("no one", "no thing")
    require(learner, got[0] == got[1], f"inputs that are all unknown predict {got[0]} and {got[1]}")


def check_memory_is_bounded(learner: Learner) -> None:
    """Check that the size of the state is bounded, with all bounds set to 8 and a stream of new names."""
    bounds = {
        name: 8
        for name, value in learner.get_params().items()
        if (name.endswith("_max") or name == "replay_size") and value > 8
    }
    model: Any = type(learner)(**{**learner.get_params(), **bounds})
    sizes = []
    for n in range(400):
        learn(model, fresh_events(learner, n))
        if n in (199, 399):
            sizes.append(size(model))
    # What is kept of each name may differ: which names have a row depends on how often they came.
    require(learner, sizes[1] <= 1.1 * sizes[0], f"its state grows from {sizes[0]} to {sizes[1]} bytes with new names")


def check_broken_input_does_no_harm(learner: Learner) -> None:
    """Check that the state stays finite after NaN, infinite, extreme and missing values and targets."""
    model: Any = trained(learner)
    usual = events(learner, 200, seed=5)
    for event in usual[:50]:
        for broken in broken_events(learner):
            model.learn_one(*broken)
        model.learn_one(*event)
    require_finite(model, "broken input")
    for strange in strange_events(learner) * 20:
        model.learn_one(*strange)
    learn(model, usual)
    require_finite(model, "absurd but finite input")


def check_broken_targets_teach_nothing(learner: Learner) -> None:
    """Check that events with a non-finite target change no prediction."""
    model: Any = trained(learner)
    stream = events(learner, 10)
    before = [model.predict_one(*event[:-1]) for event in stream]
    for event in stream:
        for broken in (math.nan, math.inf, -math.inf, 1e300, 10**400):
            model.learn_one(*event[:-1], broken)
    after = [model.predict_one(*event[:-1]) for event in stream]
    require(learner, before == after, "a target that is not finite changes predictions")


def check_refused_events_change_nothing(learner: Learner) -> None:
    """Check that an event with a wrong type raises ValueError or TypeError and leaves the state unchanged."""
    model: Any = trained(learner)
    before = bits(model)
    for event in wrong_events(learner):
        for method in (model.learn_one, model.predict_learn_one):
            require_refused(
                learner, partial(method, *event), f"{method.__name__}{event!r:.80}", (ValueError, TypeError)
            )
            require(learner, bits(model) == before, f"the refused {method.__name__}{event!r:.80} changes the state")


def check_state_round_trip(learner: Learner) -> None:
    """Check that a learner restored from a state continues like the original, bit for bit."""
    model, later = trained(learner), events(learner, 60, seed=7)
    other: Any = learner.clone()
    other.load_state_dict(model.state_dict())
    require(learner, bits(other) == bits(model), "load_state_dict(state_dict()) is not the same state")
    learn(model, later)
    learn(other, later)
    require(learner, bits(other) == bits(model), "a restored learner goes on otherwise than the original")


def check_state_is_a_copy(learner: Learner) -> None:
    """Check that `state_dict` and `load_state_dict` copy the state, so that later learning does not change it."""
    model = trained(learner)
    state = model.state_dict()
    before = frozen(state)
    learn(model, events(learner, 20, seed=9))
    require(learner, frozen(state) == before, "learning changes a state that was handed out before")
    model.load_state_dict(state)
    learn(model, events(learner, 20, seed=9))
    require(learner, frozen(state) == before, "learning changes the state that was loaded")


def check_state_is_plain(learner: Learner) -> None:
    """Check that a state has only numeric arrays and lists of strings, which can be stored without pickle."""
    for name, value in trained(learner).state_dict().items():
        plain = all(type(v) is str for v in value) if isinstance(value, list) else value.dtype.kind in "biuf"
        require(learner, type(name) is str and plain, f"its state has {name!r} of type {type(value).__name__}")


def check_wrong_states_are_refused(learner: Learner) -> None:
    """Check that a state with missing, unknown, malformed or non-finite parts is rejected without any change."""
    model = trained(learner)
    before, state = bits(model), dict(model.state_dict())
    wrong: dict[str, list[tuple[str, dict[str, Any]]]] = {"an unknown name": [("", {**state, "unheard_of": [1.0]})]}
    for name, value in state.items():
        wrong[name] = [("missing", {k: v for k, v in state.items() if k != name})]
        wrong[name] += [(how, {**state, name: worse}) for how, worse in spoiled(value)]
    for name, ways in wrong.items():
        for how, bad in ways:
            what = f"load_state_dict with {name} {how}".rstrip()
            require_refused(learner, partial(model.load_state_dict, bad), what, (ValueError,))
        # Once for all ways, because a state may have hundreds of parts.
        hows = ", ".join(how for how, _ in ways)
        require(learner, bits(model) == before, f"load_state_dict with {name} ({hows}) changes the state")


def check_copies_go_their_own_way(learner: Learner) -> None:
    """Check that `copy.deepcopy` gives a learner with an equal state that is not shared."""
    model = trained(learner)
    before, twin = bits(model), copy.deepcopy(model)
    require(learner, bits(twin) == before, "its deep copy has another state")
    learn(twin, events(learner, 20, seed=11))
    require(learner, bits(model) == before, "what its deep copy learns changes the original")


def check_parameters_are_validated(learner: Learner) -> None:
    """Check that NaN and an object of a wrong type raise a ValueError that names the parameter."""
    params = learner.get_params()
    for name in params:
        for value in (math.nan, object()):
            require_names(learner, name, partial(type(learner), **{**params, name: value}))


LEARNER_CHECKS: tuple[Callable[[Learner], None], ...] = (
    check_parameters_round_trip,
    # Early, because the other checks compare states bit by bit, which requires plain numbers and strings.
    check_state_is_plain,
    check_clone_has_learned_nothing,
    check_predictions_are_finite_floats,
    check_predicting_leaves_the_state,
    check_predict_learn_one_is_both,
    check_learn_many_is_one_by_one,
    check_is_deterministic,
    check_learns,
    check_emerging_and_vanishing,
    check_memory_is_bounded,
    check_broken_input_does_no_harm,
    check_broken_targets_teach_nothing,
    check_refused_events_change_nothing,
    check_state_round_trip,
    check_state_is_a_copy,
    check_wrong_states_are_refused,
    check_copies_go_their_own_way,
    check_parameters_are_validated,
)
