"""Groups of topics that one input can read: those that differ in one level and have one form."""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from edgedescent.assembly.input_spec import InputSpec
from edgedescent.assembly.inputs import Input
from edgedescent.setup.profiles import FieldProfile, Path, TopicProfile

COMMON_LEVELS = frozenset(
    (
        *("binary_sensor", "data", "events", "home", "homeassistant", "info", "plant", "result", "rpc", "sensor"),
        *("sensors", "stat", "state", "status", "switch", "switch_0", "tele", "telemetry", "value", "zigbee2mqtt"),
    )
)
"""Levels of topics that tell little about what is behind them, in lower case."""
LEVEL = "name"
"""Name of the level in which the topics of an input differ."""


@dataclass
class InputPlan:
    """Input of the proposed configuration."""

    name: str
    profiles: list[TopicProfile]
    place: int | None
    """Number of the level in which the topics differ; None for a single topic."""
    template: str | None = None
    """Pattern of the features' names, where the usual one would give two features one name."""
    fields: dict[str, FieldProfile] = field(default_factory=dict)
    """Fields of all topics by name."""

    @property
    def topic(self) -> str:
        """Topic filter, in which the level that differs has a name."""
        levels = self.profiles[0].topic.split("/")
        if self.place is not None:
            levels[self.place] = f"{{{LEVEL}}}"
        return "/".join(levels)

    @property
    def time(self) -> Path | None:
        """Path of the time of the readings."""
        return self.profiles[0].time

    @property
    def interval_s(self) -> float | None:
        """Longest usual time between two messages of a topic."""
        return max((one.interval_s for one in self.profiles if one.interval_s is not None), default=None)

    @property
    def spec(self) -> InputSpec:
        """Its table."""
        first = self.profiles[0]
        paths: dict[str, str | dict[str, object]] = {}
        for name, one in self.fields.items():
            paths[name] = {"path": list(one.path), **({"unit": one.unit} if one.unit else {})}
        return InputSpec(
            topics=(self.topic,),
            format=first.format,
            fields=({"": {"unit": first.unit}} if first.unit else {}) if first.is_scalar else paths,
            name=self.template,
            time=list(first.time) if first.time else "",
            time_zone=first.time_zone,
        )

    def features(self) -> list[tuple[str, TopicProfile, FieldProfile]]:
        """Its numeric features by name, with the topic and the field that each comes from."""
        one, found = Input(self.name, 0, self.spec), []
        for profile in self.profiles:
            levels = one.match(profile.topic) or {}
            for name, merged in (self.fields or {"": FieldProfile(())}).items():
                own = profile.fields.get(merged.path if self.fields else ())
                if own is not None and own.is_numeric:
                    found.append((one.feature("" if profile.is_scalar else name, levels), profile, own))
        return found


def grouped(profiles: Sequence[TopicProfile]) -> list[InputPlan]:
    """Inputs for all topics that have numbers.

    Topics of one format and one field for the time that differ in one level alone become one input; the level in which
    most of them differ is taken first.
    """
    left = [one for one in profiles if one.numeric()]
    plans: list[InputPlan] = []
    while left:
        groups: dict[tuple[object, ...], list[TopicProfile]] = defaultdict(list)
        for one in left:
            levels = one.topic.split("/")
            # A topic filter is whole already.
            alone = one.topic if one.topic.endswith("#") else ""
            form = json.dumps(one.format), one.time, one.time_zone, one.unit, alone
            for place in range(len(levels)):
                groups[place, tuple(levels[:place]), tuple(levels[place + 1 :]), form].append(one)
        # Of groups of one size, the one that differs in the last level, and comes first.
        key = max(groups, key=lambda group: (len(groups[group]), group[0]))
        members = groups[key] if len(groups[key]) > 1 else [left[0]]
        plans.append(InputPlan("", members, int(str(key[0])) if len(members) > 1 else None))
        left = [one for one in left if one not in members]
    plans.sort(key=lambda plan: plan.topic)
    _name(plans)
    for plan in plans:
        for profile in plan.profiles:
            for numeric in profile.numeric():
                known = plan.fields.setdefault(numeric.name, FieldProfile(numeric.path, unit=numeric.unit))
                known.count += numeric.count
                known.numbers += numeric.numbers
        if plan.profiles[0].is_scalar:
            plan.fields = {}
    _separate(plans)
    return plans


def _name(plans: Sequence[InputPlan]) -> None:
    """Name inputs by the levels of their topics."""
    used: set[str] = {"label", "interval"}
    for plan in plans:
        words = [re.sub(r"\W", "_", level) for level in plan.topic.split("/") if not level.startswith("{")]
        words = [word for word in words if word.strip("_")] or ["topics"]
        telling = [word for word in words if word.lower() not in COMMON_LEVELS] or words
        options = [telling[-1] if plan.place is None else words[0], "_".join(words)]
        name = next((option for option in options if option not in used), None)
        number = 2
        while name is None or name in used:
            name, number = f"{options[1]}_{number}", number + 1
        used.add(name)
        plan.name = name


def _separate(plans: Sequence[InputPlan]) -> None:
    """Give inputs whose features have the names of others a pattern with their own name."""
    owners: dict[str, set[str]] = defaultdict(set)
    for plan in plans:
        for name, _, _ in plan.features():
            owners[name].add(plan.name)
    shared = {owner for names in owners.values() if len(names) > 1 for owner in names}
    for plan in plans:
        if plan.name in shared:
            tail = "" if plan.profiles[0].is_scalar else ".{field}"
            plan.template = f"{plan.name}.{{{LEVEL}}}{tail}" if plan.place is not None else f"{plan.name}{tail}"


def rounded_up(seconds: float) -> int:
    """A round number of seconds, not smaller.

    Example:
        >>> [rounded_up(seconds) for seconds in (0.2, 61, 3700, 90_000)]
        [60, 120, 7200, 90000]
    """
    for unit in (60, 3600, 86_400):
        if seconds <= 60 * unit or unit == 86_400:
            return max(math.ceil(seconds / unit), 1) * unit
    raise AssertionError
