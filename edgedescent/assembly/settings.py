"""Settings of an assembler: its tables, checked together before anything starts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from edgedescent.assembly.input_spec import InputSpec, Seconds
from edgedescent.assembly.labels import LabelSpec
from edgedescent.errors import ConfigError, did_you_mean, shown

if TYPE_CHECKING:
    from edgedescent.assembly.derived import Derived
    from edgedescent.assembly.inputs import Input

LABEL, INTERVAL = "label", "interval"
"""Triggers of events other than an input: the arrival of the label, or the clock."""
LATENESS_S = 5.0
"""Lateness by default, where any input has a time of its own."""


class AssemblySpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``[assembly]``: when the features become an event, and how late a message may be."""

    emit: str | None = None
    """Input whose messages each make an event, or ``"label"`` for the arrival of the label. By default the label, and
    for a forecast the input that has the label."""
    every_s: Seconds | None = None
    """Interval at which an event is made instead, at multiples of it since 1970."""
    lateness_s: Annotated[float, Meta(ge=0, le=1e9)] | None = None
    """Allowed lateness of a message behind those of a later time, with which it still counts in its place. Answers wait
    as long. By default 5 where an input has a time of its own, else 0."""
    clock_ahead_max_s: Annotated[float, Meta(ge=0, le=1e9)] = 60.0
    """Largest lead of the time of a message over its arrival; one further ahead is set back to it."""
    ahead_of_others_max_s: Seconds | None = None
    """Largest lead of one input's times over those of all others with which they still move the stream on. For
    recordings of the past, in which the arrival says nothing."""
    held_max: Annotated[int, Meta(ge=1, le=10_000_000)] = 100_000
    """Number of readings that wait for those before them; beyond it the oldest are used before their time."""
    features_max: Annotated[int, Meta(ge=1, le=16_384)] = 4096
    """Number of features that the inputs may have; further ones are counted and left out."""


class AssemblySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings of an assembler, as a state keeps them."""

    inputs: dict[str, InputSpec]
    assembly: AssemblySpec
    label: LabelSpec
    derive: list[dict[str, Any]] = msgspec.field(default_factory=list)
    """Types and parameters of the derived features, in order."""

    def build_inputs(self) -> list[Input]:
        """Build the inputs.

        Raises:
            ConfigError: If a key of a table is wrong.
        """
        # Not at the top: a device of whole events has none.
        from edgedescent.assembly.inputs import Input

        return [Input(name, i, spec) for i, (name, spec) in enumerate(self.inputs.items())]

    def filters(self) -> list[str]:
        """Topic filters of the inputs, each once.

        Raises:
            ConfigError: If a key of a table is wrong.
        """
        return list(dict.fromkeys(pattern.filter for one in self.build_inputs() for pattern in one.patterns))

    def build_derived(self) -> list[Derived]:
        """Build the declarations of the derived features.

        Raises:
            ConfigError: If there is none of a name, or it does not take the parameters.
        """
        return [build_derived(table, f"derive[{i}]") for i, table in enumerate(self.derive)]

    @property
    def emit(self) -> str:
        """Trigger of the events: the name of an input, ``label`` or ``interval``."""
        spec, label = self.assembly, self.label
        if spec.every_s is not None:
            return INTERVAL
        if spec.emit is not None:
            return spec.emit
        return LABEL if label.horizon_s is None else label.input

    @property
    def lateness_s(self) -> float:
        """The lateness, with its default."""
        if self.assembly.lateness_s is not None:
            return self.assembly.lateness_s
        return LATENESS_S if any(spec.has_time for spec in self.inputs.values()) else 0.0

    def label_age_max_s(self, horizon_s: float) -> float:
        """Largest age of the value that answers a forecast with a horizon."""
        age = self.label.max_age_s or self.inputs[self.label.input].max_age_s
        return age if age is not None else horizon_s / 2


def build_derived(table: dict[str, Any], path: str) -> Derived:
    """Build the declaration of a derived feature from its table.

    Raises:
        ConfigError: If there is none of this name, or it does not take the parameters.
    """
    # Not at the top: most devices have no derived features.
    from edgedescent.assembly.derived import DERIVED

    parameters = dict(table)
    kind = DERIVED.find(parameters.pop("type", None), f"{path}.type")
    try:
        return kind(**parameters)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"`{path}`: {error}") from None


def check(settings: AssemblySettings) -> None:
    """Check that a configuration can make events: every table by itself, then all together.

    Raises:
        ConfigError: If it cannot; names the key, the value and what was expected.
    """
    inputs = {one.name: one for one in settings.build_inputs()}
    for name, one in inputs.items():
        if name in (LABEL, INTERVAL):
            raise ConfigError(f"`inputs.{name}` is no name for an input: `assembly.emit` uses it.")
        excluded = [pattern for pattern in one.spec.exclude if pattern in ("#", *one.spec.topics)]
        if excluded:
            raise ConfigError(
                f"`inputs.{name}.exclude` is {shown(list(one.spec.exclude))}: no topic is left of "
                f"{shown(list(one.spec.topics))}, so that nothing feeds the input."
            )
    _check_label(settings, inputs)
    _check_emit(settings, inputs)
    _check_derived(settings, list(inputs.values()))


def _check_label(settings: AssemblySettings, inputs: dict[str, Input]) -> None:
    label = settings.label
    if label.input not in inputs:
        raise ConfigError(
            f"`label.input` is {shown(label.input)}: expected one of {', '.join(inputs)}.",
            did_you_mean(label.input, inputs),
        )
    if not inputs[label.input].may_yield(label.feature):
        raise ConfigError(
            f"`label.feature` is {shown(label.feature)}: the input {label.input!r} has no such feature, so that no "
            "event would have a label.",
            f"Its features have names such as {_example(inputs[label.input])!r}.",
        )
    horizons = label.horizons
    if any(later is not None and earlier is not None and later <= earlier for earlier, later in pairwise(horizons)):
        raise ConfigError(
            f"`label.horizon_s` is {shown(list(horizons))}: expected increasing numbers, each for a model of its own."
        )
    if label.by is not None and label.horizon_s is not None:
        raise ConfigError(
            f"`label.by` is {shown(label.by)}: expected none beside `label.horizon_s`.",
            "A forecast finds its label by time.",
        )
    if label.by == "time" and not inputs[label.input].has_time:
        raise ConfigError(f"`inputs.{label.input}.time` is missing: `label.by` is 'time'.")


def _check_emit(settings: AssemblySettings, inputs: dict[str, Input]) -> None:
    spec, label, emit = settings.assembly, settings.label, settings.emit
    if spec.every_s is not None and spec.emit is not None:
        raise ConfigError(f"`assembly.emit` is {shown(spec.emit)}: expected none beside `assembly.every_s`.")
    if emit == INTERVAL:
        if label.horizon_s is None and label.by != "time":
            raise ConfigError(
                f"`assembly.every_s` is {spec.every_s!r}: an event at an interval has no id or key by which a label "
                "finds it.",
                "Give `label.horizon_s`, or `label.by` as 'time'.",
            )
        shortest = label.horizons[0]
        if shortest is not None and spec.every_s is not None and shortest < spec.every_s:
            raise ConfigError(
                f"`label.horizon_s` is {shown(label.horizon_s)}: expected at least `assembly.every_s`, "
                f"{spec.every_s!r}."
            )
        return
    if emit == LABEL:
        if label.comes_later:
            raise ConfigError(
                "`assembly.emit` is 'label': a label that comes later needs an event before it.",
                f"Give the input whose messages are the events: one of {', '.join(inputs)}.",
            )
        return
    if emit not in inputs:
        raise ConfigError(
            f"`assembly.emit` is {shown(emit)}: expected 'label' or one of {', '.join(inputs)}.",
            did_you_mean(emit, inputs),
        )
    if label.by is None and label.horizon_s is None:
        raise ConfigError(
            f"`assembly.emit` is {shown(emit)}: expected `label.horizon_s` or `label.by` too, or no event would have a "
            "label."
        )
    if label.by is not None and emit == label.input:
        raise ConfigError(f"`assembly.emit` is {shown(emit)}: expected another input than that of the label.")
    for name in (emit, label.input):
        spec_of = inputs[name].spec
        if (label.by == "id" and not spec_of.id) or (label.by == "key" and not spec_of.key):
            raise ConfigError(f"`inputs.{name}.{label.by}` is missing: `label.by` is {label.by!r}.")


def _check_derived(settings: AssemblySettings, inputs: Sequence[Input]) -> None:
    label, known = settings.label, set[str]()
    derived = settings.build_derived()
    sources = [one for one in inputs if label.by is None or one.name != label.input]
    for i, one in enumerate(derived):
        for name in one.inputs:
            if settings.emit == LABEL and name == label.feature:
                raise ConfigError(
                    f"`derive[{i}].of` has {shown(name)}: that is the label itself, which no feature may know.",
                    "The default learner has its own lags of the label.",
                )
            if name not in known and not any(source.may_yield(name) for source in sources):
                candidates = [*known, *(f"{source.name}.{field}" for source in sources for field in source.spec.fields)]
                raise ConfigError(
                    f"`derive[{i}].of` has {shown(name)}: no input has such a feature, and nothing before derives it.",
                    did_you_mean(name, candidates),
                )
        known |= set(one.names)
    if not derived:
        return
    from edgedescent.assembly.deriver import require_different_names

    try:
        require_different_names(derived)
    except ValueError as error:
        raise ConfigError(f"`derive`: {error}") from None


def _example(one: Input) -> str:
    fields = [*one.spec.fields] or ["<field>"]
    return one.example(fields[0])
