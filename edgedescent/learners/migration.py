"""Migration of a learned state to a learner of the same type with other parameters.

A learner declares in `Learner.migrations` how each of its parameters affects what was learned: a rule by parameter. A
rule changes the saved state where it must, and says in words what goes on and what starts anew. A parameter without a
rule decides what the weights mean, so that a state cannot be carried over to another value of it.

A migrated learner predicts what the old one would have predicted, to the last bit, unless a changed parameter is itself
part of the prediction (`clip`, `categories`). Rules therefore keep the parameters that predict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from edgedescent.optim import MiniBatch, Optimizer, Schedule

VALUES_PER_EVENT = 128
"""Values per event that a smaller replay buffer has room for on average; of larger events it keeps fewer."""
_STEPPER_COUNTS = 4
"""Number of totals and counts of the stepper, in front of the memory of its schedule."""
_STEPS, _UNDONE = 2, 3
DELAY = 4
"""Place of the delay of the labels among the counts of their history."""


class Migrating(Protocol):
    """Learner, as far as a migration needs it."""

    @property
    def migrations(self) -> Mapping[str, Rule]:
        """Rules by parameter."""

    def get_params(self) -> dict[str, Any]:
        """Return the parameters by name."""

    def tables(self) -> list[str]:
        """Return the names of the tables of parameters."""

    def state_dict(self) -> Mapping[str, Any]:
        """Return the learned state by name."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state."""


class Note(NamedTuple):
    """Consequence of one changed parameter."""

    outcome: Literal["kept", "starts anew", "impossible"]
    parameter: str
    text: str

    def __str__(self) -> str:
        return f"{self.outcome}: {self.text}"


class Migration:
    """A learned state on its way to another learner; the rules change it.

    Args:
        before: The learner that saved the state.
        after: The learner that continues with it.
        state: What `Learner.state_dict` of the first one returned.

    Attributes:
        state: The state, as far as it is carried over.
        notes: Consequences of the changes so far.
    """

    def __init__(self, before: Migrating, after: Migrating, state: Mapping[str, Any]) -> None:
        self.before = before
        self.after = after
        self.state: dict[str, Any] = dict(state)
        self.notes: list[Note] = []

    def change(self, name: str) -> str:
        """Text of the change of a parameter."""
        return f"`{name}` was {_shown(self.before, name)}, is {_shown(self.after, name)}"

    def kept(self, name: str, text: str) -> None:
        """Note that what was learned holds on."""
        self.notes.append(Note("kept", name, text))

    def anew(self, name: str, text: str) -> None:
        """Note that something starts anew."""
        self.notes.append(Note("starts anew", name, text))

    def impossible(self, name: str, text: str) -> None:
        """Note that the state cannot be carried over."""
        self.notes.append(Note("impossible", name, text))


def is_possible(notes: Iterable[Note]) -> bool:
    """True if no change makes it impossible to carry a state over."""
    return all(note.outcome != "impossible" for note in notes)


Rule = Callable[[Migration, str], None]
"""Rule for one changed parameter, given its name."""


def _shown(learner: Migrating, name: str) -> str:
    text = repr(getattr(learner, name))
    return text if len(text) <= 120 else f"{text[:119]}…"


def migrate(before: Migrating, after: Migrating, state: Mapping[str, Any]) -> Migration:
    """Carry a state over to another learner.

    Args:
        before: The learner that saved the state.
        after: The learner that continues with it, which has learned nothing; it takes the state if that is possible.
        state: What `Learner.state_dict` of the first one returned.

    Returns:
        What goes on, what starts anew, and what is impossible.

    Raises:
        ValueError: If a rule leaves a state that the learner does not take.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> before, after = LinearRegressor(), LinearRegressor(l2=0.1)
        >>> before.learn_one({"temp": 20.1}, 3.0)
        >>> [str(note) for note in migrate(before, after, before.state_dict()).notes]
        ['kept: everything: `l2` was 0.0, is 0.1 from the next event on']
        >>> after.predict_one({"temp": 20.1}) == before.predict_one({"temp": 20.1})
        True
    """
    migration = Migration(before, after, state)
    kind = type(after).__name__
    if type(before) is not type(after):
        migration.impossible("type", f"the state of {type(before).__name__} means nothing to {kind}")
        return migration
    for name in changed(before, after):
        rule = after.migrations.get(name)
        if rule is not None:
            rule(migration, name)
        elif after.migrations:
            migration.impossible(name, f"{migration.change(name)}, which decides what the weights mean")
        else:
            migration.impossible(name, f"{migration.change(name)}, and {kind} declares no parameters that may change")
    if is_possible(migration.notes):
        after.load_state_dict(migration.state)
    return migration


def changed(before: Migrating, after: Migrating) -> Iterator[str]:
    """Yield the names of the parameters that differ."""
    old, new = before.get_params(), after.get_params()
    return (name for name in new if new[name] != old[name])


# --- Rules ------------------------------------------------------------------------------------------------------------


def goes_on(migration: Migration, name: str) -> None:
    """Rule of a parameter that no part of the state depends on."""
    migration.kept(name, f"everything: {migration.change(name)} from the next event on")


def drawn_later(migration: Migration, name: str) -> None:
    """Rule of a parameter that only decides on first values."""
    migration.kept(name, f"everything: {migration.change(name)} for what is drawn from now on")


def table_of(names: str, prefix: str = "") -> Rule:
    """Rule of the largest size of a table.

    The sketch of the newcomers has the size of the table, so that it starts anew.

    Args:
        names: Name of the list in the state whose members have a row each.
        prefix: How the names of the newcomers' arrays in the state begin.
    """

    def resize(migration: Migration, name: str) -> None:
        used, room = len(migration.state[names]), getattr(migration.after, name)
        if used > room:
            migration.impossible(name, f"{migration.change(name)}, but {used} {names} are in use")
            return
        fresh = migration.after.state_dict()
        for part in ("newcomers", "aging"):
            migration.state[f"{prefix}{part}"] = fresh[f"{prefix}{part}"]
        migration.kept(name, f"all {used} {names}: {migration.change(name)}")

    return resize


def label_delay(migration: Migration, name: str) -> None:
    """Rule of the number of events after which labels come: lags count from there on."""
    counts = np.array(migration.state["history.counts"])
    counts[DELAY] = getattr(migration.after, name)
    migration.state["history.counts"] = counts
    migration.kept(name, f"everything: {migration.change(name)} from the next event on")


def categories(migration: Migration, name: str) -> None:
    """Rule of the features whose values are names."""
    before, after = set(getattr(migration.before, name)), set(getattr(migration.after, name))
    migration.kept(name, f"everything but what follows: {migration.change(name)}")
    for features, now, then in ((after - before, "names", "numbers"), (before - after, "numbers", "names")):
        if features:
            listed = ", ".join(sorted(features))
            migration.anew(name, f"{listed}, because integers are {now} there now; what was learned from {then} rests")


def intervals(migration: Migration, name: str) -> None:
    """Rule of the levels of prediction intervals, each of which was calibrated by its own."""
    _start_anew(migration, "intervals.")
    migration.kept(name, f"what predicts: {migration.change(name)}")
    migration.anew(name, "the calibration of the intervals")


def average_rate(migration: Migration, name: str) -> None:
    """Rule of parameters that decide whether the rate of the averages is adapted: it begins anew."""
    _start_anew(migration, "average_rate")
    goes_on(migration, name)


def _start_anew(migration: Migration, prefix: str) -> None:
    """Replace the parts of the state whose names begin with `prefix` by those of the new learner, if it has any."""
    for part in [part for part in migration.state if part.startswith(prefix)]:
        del migration.state[part]
    fresh = migration.after.state_dict()
    migration.state.update({part: value for part, value in fresh.items() if part.startswith(prefix)})


def target_unit(migration: Migration, name: str) -> None:
    """Rule of the loss: weights predict in the unit of its targets."""
    before, after = getattr(migration.before, name), getattr(migration.after, name)
    if before.scaling != after.scaling:
        migration.impossible(name, f"{migration.change(name)}, and the two predict in other units")
    else:
        goes_on(migration, name)


def replay_buffer(migration: Migration, name: str) -> None:
    """Rule of the parameters of the replay buffer, which keeps the newest events that there is room for."""
    after, state = migration.after, migration.state
    size = getattr(after, "replay_size") if getattr(after, "replay_steps") else 0  # noqa: B009 - no field of Learner
    lengths = state["replay_buffer.lengths"]
    newest_first = np.cumsum(lengths[::-1])
    held = min(len(lengths), size)
    if held < len(lengths):
        held = min(held, int(np.searchsorted(newest_first, VALUES_PER_EVENT * size, side="right")))
    values = int(newest_first[held - 1]) if held else 0
    for part in ("targets", "lengths", "times"):
        state[f"replay_buffer.{part}"] = state[f"replay_buffer.{part}"][len(lengths) - held :]
    for part in ("rows", "values"):
        array = state[f"replay_buffer.{part}"]
        state[f"replay_buffer.{part}"] = array[len(array) - values :]
    if not held:
        random, _ = state["replay_buffer.draws"].tolist()
        state["replay_buffer.draws"] = np.array([random, 0], dtype=np.uint64)
    migration.kept(name, f"{held} of {len(lengths)} events to replay: {migration.change(name)}")


def user_history(migration: Migration, name: str) -> None:
    """Rule of the number of items that are remembered of each user: the newest ones are."""
    before, after = getattr(migration.before, name), getattr(migration.after, name)
    counts, entries = migration.state["seen.counts"], migration.state["seen.entries"]
    users = len(migration.state["users"]) + 1
    kept: list[Any] = []
    first = 0
    for count in counts.tolist() if before else [0] * users:
        held = min(count, before)
        # A ring: the oldest entry is the one that would be overwritten next.
        newest_last = np.roll(entries[first : first + held], -(count % before) if count > before else 0)
        kept.append(newest_last[max(held - after, 0) :])
        first += held
    migration.state["seen.counts"] = np.array([len(each) for each in kept] if after else [], dtype=np.int64)
    migration.state["seen.entries"] = np.concatenate(kept).astype(np.int64) if after else np.zeros(0, dtype=np.int64)
    migration.kept(name, f"the items seen, up to {after} of each user: {migration.change(name)}")


def optimizer(migration: Migration, name: str) -> None:
    """Rule of the optimizer: its state goes on where the step rule is the same, and the weights do in any case."""
    before, after = getattr(migration.before, name), getattr(migration.after, name)
    has_rule = _has_same_rule(before, after)
    fresh = migration.after.state_dict()
    for table in migration.before.tables():
        _move_table(migration.state, table, before, after, has_rule=has_rule, fresh=fresh)
    stepper = migration.state["stepper"] = migration.state["stepper"].copy()
    has_schedule = type(before.schedule) is type(after.schedule)
    if not has_rule:
        migration.kept(name, f"the weights: {migration.change(name)}")
        migration.anew(name, f"the state of the optimizer and its schedule, because {_why(before, after)}")
        stepper[:_UNDONE] = 0.0
    else:
        migration.kept(name, f"the weights and the state of the optimizer: {migration.change(name)}")
        if before.batch != after.batch:
            migration.anew(name, "gradients that wait for a step, because the batches have another size")
        if not has_schedule:
            migration.anew(name, "the schedule, because it is another one")
            stepper[_STEPS] = 0.0
    if not (has_rule and has_schedule):
        stepper[_STEPPER_COUNTS:] = 0.0
    if before.average_rate != after.average_rate:
        _start_anew(migration, "average_rate")
    if before.averaging != after.averaging:
        now = "begin with the weights" if after.averaging else "become the weights"
        migration.kept(name, f"what predicts: the averages {now}")


def _inner(declared: Optimizer) -> Optimizer:
    """Optimizer with the step rule: that of a mini-batch is another one."""
    return declared.optimizer if isinstance(declared, MiniBatch) else declared


def _has_same_rule(before: Optimizer, after: Optimizer) -> bool:
    """True if the state of the first optimizer means the same to the second one."""
    old, new = _inner(before), _inner(after)
    if type(old) is not type(new):
        return False
    if old.covariance_max != new.covariance_max:
        return False
    # Where the weights follow from the slots, other parameters would change them, and so do averages that become them.
    return not old.derives_weights or (_step_of(old) == _step_of(new) and (after.averaging or not before.averaging))


def _step_of(declared: Optimizer) -> tuple[Any, ...]:
    """Parameters that the weights of a rule depend on, if they follow from its slots."""
    schedule: Schedule = declared.schedule
    return declared.rate, declared.hyper, schedule


def _why(before: Optimizer, after: Optimizer) -> str:
    if type(_inner(before)) is type(_inner(after)):
        if before.covariance_max != after.covariance_max:
            return "the covariance has another size"
        return f"the weights of {type(_inner(after)).__name__} follow from it and from its parameters"
    return "the step rule is another one"


def _move_table(
    state: dict[str, Any],
    table: str,
    before: Optimizer,
    after: Optimizer,
    *,
    has_rule: bool,
    fresh: Mapping[str, Any],
) -> None:
    """Give a table the arrays that another optimizer needs; `fresh` is the state of a learner with that one."""
    weights = state[table]
    old = {slot: state.pop(f"{table}.{slot}") for slot in before.state_names}
    if before.averaging and not after.averaging:
        weights = old["average"]
    state[table] = weights
    goes_on = {*after.slots, "covariance"} if has_rule else set()
    if has_rule and before.batch == after.batch:
        goes_on |= {"batch_sum", "batch_count"}
    if before.averaging:
        goes_on |= {"average", "averaged"}
    for slot in after.state_names:
        example = fresh[f"{table}.{slot}"]
        if slot in goes_on and slot in old:
            array = old[slot] if slot == "covariance" else _as_wide_as(example, old[slot])
        elif slot == "average":
            array = weights.copy()
        elif slot == "covariance":
            # Of tables with one parameter per feature. All parameters begin anew, with the variance 0.
            size = min(len(weights), after.covariance_max) if weights.shape[1] == 1 else 0
            array = np.zeros(size * (size + 1) // 2)
        else:
            array = np.zeros((len(weights), example.shape[1]), dtype=example.dtype)
        state[f"{table}.{slot}"] = array


def _as_wide_as(example: NDArray[Any], array: NDArray[Any]) -> NDArray[Any]:
    """Return an array with the columns of another one: counts stand once for a row, or for each parameter."""
    width = example.shape[1]
    wide = array[:, :1] if width == 1 else np.broadcast_to(array, (len(array), width))
    return wide.astype(example.dtype)
