"""Proposal of a configuration for what was heard: its text, with comments."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from edgedescent.errors import ConfigError, did_you_mean, shown
from edgedescent.setup.grouping import InputPlan, rounded_up

EVENTS_PER_HORIZON = 60
"""Number of events in a horizon from which on events are made at an interval instead of by each message."""
AGE_FACTOR = 10
"""Number of usual intervals after which a value counts as missing."""


@dataclass
class Proposal:
    """Configuration for what was heard.

    Args:
        device: Name of the device.
        broker: Table ``[broker]``.
        plans: The inputs.
        feature: What to predict.
        horizons: How far ahead, in seconds and in order; for each a model of its own.
        zone: Time zone of the calendar.
        derive: What is derived, with a comment for each.
        notes: Comments at the top.
    """

    device: str
    broker: dict[str, Any]
    plans: Sequence[InputPlan]
    feature: str
    horizons: tuple[float, ...]
    zone: str
    derive: list[tuple[dict[str, Any], str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def label_input(self) -> InputPlan:
        """Input that has what is predicted.

        Raises:
            ConfigError: If none has it.
        """
        names: list[str] = []
        for plan in self.plans:
            own = [name for name, _, _ in plan.features()]
            if self.feature in own:
                return plan
            names += own
        listed = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
        raise ConfigError(
            f"`--predict` is {shown(self.feature)}: expected one of {listed}.", did_you_mean(self.feature, names)
        )

    @property
    def every_s(self) -> float | None:
        """Interval of the events; None where each message of the label's input makes one."""
        profile = next(p for name, p, _ in self.label_input.features() if name == self.feature)
        interval = profile.interval_s
        longest = self.horizons[0] / EVENTS_PER_HORIZON
        if interval is not None and interval >= longest and self.label_input.place is None:
            return None
        return max(float(round(longest)), 1.0)

    def text(self) -> str:
        """The configuration as TOML, with comments."""
        lines = [*(f"# {note}" for note in self.notes), f"device = {_toml(self.device)}"]
        if self.broker:
            lines += ["", "[broker]", *(f"{name} = {_toml(value)}" for name, value in self.broker.items())]
        lines += ["", "# What is on the broker: topics, fields, and what was heard of each.", ""]
        for plan in self.plans:
            lines += [*_input(plan), ""]
        label = self.label_input
        several = len(self.horizons) > 1
        ahead = f"{', '.join(f'{one:g}' for one in self.horizons)} s{', each by a model of its own' * several}"
        lines += [f"# What is predicted: its value in {ahead}. It is a feature, too.", "[label]"]
        horizon = _toml(list(self.horizons) if several else self.horizons[0])
        lines += [f"input = {_toml(label.name)}", f"feature = {_toml(self.feature)}", f"horizon_s = {horizon}"]
        every = self.every_s
        if every is not None:
            lines += ["", "# An event every so many seconds, because its messages are many or irregular.", "[assembly]"]
            lines += [f"every_s = {every:g}"]
        for table, comment in self.derive:
            lines += ["", f"# {comment}", "[[derive]]", *(f"{name} = {_toml(value)}" for name, value in table.items())]
        return "\n".join(lines) + "\n"


def default_derive(feature: str, horizons: Sequence[float], zone: str) -> list[tuple[dict[str, Any], str]]:
    """Derived features that help most series: own lags, the last, shortest horizon, and the calendar."""
    return [
        ({"type": "Lag", "of": [feature], "steps": [1, 2, 3]}, "Its values in the events before."),
        (
            {"type": "Lag", "of": [feature], "durations_s": sorted({*horizons, 86_400.0})},
            "Its values one horizon ago, and at this time yesterday.",
        ),
        (
            {"type": "Rolling", "of": [feature], "statistics": ["mean", "min", "max"], "duration_s": horizons[0]},
            "How it was over the last horizon.",
        ),
        ({"type": "Calendar", "parts": ["hour", "weekday"], "time_zone": zone}, "Time of day and day of the week."),
    ]


def _input(plan: InputPlan) -> list[str]:
    spec, first = plan.spec, plan.profiles[0]
    topics = f"{len(plan.profiles)} topics" if len(plan.profiles) > 1 else "one topic"
    interval = plan.interval_s
    rate = "" if interval is None else f", a message about every {interval:.3g} s"
    lines = [f"# {topics}, {sum(one.count for one in plan.profiles)} messages{rate}."]
    if plan.place is not None:
        names = ", ".join(one.topic.split("/")[plan.place] for one in plan.profiles[:8])
        lines.append(f"# {{name}} was {names}{', …' if len(plan.profiles) > 8 else ''}.")
    lines += [f"[inputs.{_key(plan.name)}]", f"topics = {_toml(list(spec.topics))}"]
    if spec.format != "json":
        lines.append(f"format = {_toml(spec.format)}")
    if spec.name is not None:
        lines.append(f"name = {_toml(spec.name)}")
    if spec.time:
        lines.append(f"time = {_toml(_path(first.time or ()))}")
        if spec.time_zone != "UTC":
            lines.append(f"time_zone = {_toml(spec.time_zone)}")
    if interval is not None:
        lines.append(f"max_age_s = {rounded_up(AGE_FACTOR * interval)}")
    if first.is_scalar:
        if first.unit:
            lines.append(f'fields = {{ "" = {{ unit = {_toml(first.unit)} }} }}')
        ranges = [f"{name}: {one.describe()}" for name, _, one in plan.features()[:12]]
        return lines[:1] + [f"# {text}" for text in ranges] + lines[1:]
    lines += ["", f"[inputs.{_key(plan.name)}.fields]"]
    for name, one in plan.fields.items():
        path = _path(one.path)
        plain = path if isinstance(path, str) else {"path": path}
        value = _toml({"path": path, "unit": one.unit} if one.unit else plain)
        lines.append(f"{_key(name)} = {value}  # {one.describe()}")
    return lines


def _path(path: tuple[str, ...]) -> str | list[str]:
    return list(path) if any("." in part for part in path) else ".".join(path)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)


def _toml(value: Any) -> str:
    """Value as TOML on one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}" if value.is_integer() and abs(value) < 1e6 else repr(value)
    if isinstance(value, dict):
        return (
            "{ " + ", ".join(f"{_key(name)} = {_toml(item)}" for name, item in value.items()) + " }" if value else "{}"
        )
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    # JSON's strings are TOML's, but for DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f") if isinstance(value, str) else str(value)
