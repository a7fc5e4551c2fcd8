"""The metrics in the text format that Prometheus reads (exposition format 0.0.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "edgedescent_"


class Family(NamedTuple):
    """One metric: what it is called there, and what it means."""

    name: str
    kind: Literal["counter", "gauge"]
    meaning: str


FAMILIES = {
    "time": Family("report_timestamp_seconds", "gauge", "When these metrics were taken, in seconds since 1970."),
    "position": Family("journal_position", "gauge", "The message that was handled last."),
    "messages": Family("messages_total", "counter", "Messages handled."),
    "messages_lost": Family("messages_lost_total", "counter", "Journaled messages that could not be read back."),
    "events_learned": Family("events_learned_total", "counter", "Events learned."),
    "events_predicted": Family("events_predicted_total", "counter", "Events without a label, predicted only."),
    "duplicates": Family("duplicates_total", "counter", "Repeats of learned events, left alone."),
    "messages_redelivered": Family("messages_redelivered_total", "counter", "Messages that came a second time."),
    "rate_limited": Family("messages_rate_limited_total", "counter", "Left alone: too many events in a second."),
    "dead_letters_unkept": Family("dead_letters_unkept_total", "counter", "Beyond the first hundred of a message."),
    "values_skipped": Family("values_skipped_total", "counter", "Values that no sensor can mean, left out."),
    "targets_skipped": Family("targets_skipped_total", "counter", "Labels that no sensor can mean, not learned."),
    "updates_undone": Family("updates_undone_total", "counter", "Steps that would have left a weight not finite."),
    "features_evicted": Family("features_evicted_total", "counter", "Features that made room for new ones."),
    "features_shared": Family("features_shared_total", "counter", "New features for which there was no room."),
    "users_evicted": Family("users_evicted_total", "counter", "Users that made room for new ones."),
    "users_shared": Family("users_shared_total", "counter", "New users for whom there was no room."),
    "items_evicted": Family("items_evicted_total", "counter", "Items that made room for new ones."),
    "items_shared": Family("items_shared_total", "counter", "New items for which there was no room."),
    "units_restarted": Family("units_restarted_total", "counter", "Silent units of a network, started anew."),
    "predictions_replaced": Family("predictions_replaced_total", "counter", "Not finite, so the mean was answered."),
    "events_beyond_bound": Family("events_beyond_bound_total", "counter", "Not learned, as the model is at its bound."),
    "messages_uncommitted": Family("messages_uncommitted", "gauge", "Learned, and not yet acknowledged."),
    "commits": Family("commits_total", "counter", "Commits to the journal since the start."),
    "checkpoints": Family("checkpoints_total", "counter", "Checkpoints since the start."),
    "disk_full": Family("disk_full_total", "counter", "How often the disk had no room, since the start."),
    "writes_spent": Family("writes_spent_total", "counter", "How often a day's writing was used up, since the start."),
    "written_bytes": Family("written_bytes_total", "counter", "Bytes written to disks since the start."),
    "written_bytes_left": Family("written_bytes_left", "gauge", "What is left of a day's allowance of bytes to write."),
    "written_bytes_per_day": Family("written_bytes_per_day", "gauge", "Bytes written to disks, at the present pace."),
    "answers_waiting": Family("answers_waiting", "gauge", "Predictions that wait for a connection."),
    "answers_dropped": Family("answers_dropped_total", "counter", "Predictions that could not be sent."),
    "events_per_second": Family("events_per_second", "gauge", "Events learned per second since the last report."),
    "memory_bytes": Family("resident_memory_bytes", "gauge", "Memory that the daemon holds."),
    "mae": Family("mean_absolute_error", "gauge", "Of the predictions made before each event was learned."),
    "mae_recent": Family("mean_absolute_error_recent", "gauge", "The same, with more weight on recent events."),
    "mae_last_value_recent": Family(
        "mean_absolute_error_last_value_recent", "gauge", "Of always predicting the last value, recent events first."
    ),
    "rmse": Family("root_mean_squared_error", "gauge", "Of the predictions made before each event was learned."),
    "mae_last_value": Family("mean_absolute_error_last_value", "gauge", "Of always predicting the last value."),
    "mae_mean": Family("mean_absolute_error_mean", "gauge", "Of always predicting the mean so far."),
    "since": Family("state_since_timestamp_seconds", "gauge", "Since when the state is so, in seconds since 1970."),
    "connected": Family("connected", "gauge", "1 while the broker has accepted the connection."),
}
"""By the name that a metric has everywhere else. Dead letters have a family of their own, by reason."""
LETTERS = Family("dead_letters_total", "counter", "Events that could not be used, by reason.")
STATE = Family("state", "gauge", "1 for the state that the daemon is in.")
BUILD = Family("build_info", "gauge", "1, with the version of the daemon.")
_REASON = "dead_letters."


def render(metrics: Mapping[str, Any]) -> bytes:
    """All metrics as text; what has no number at the moment is left out.

    >>> print(render({"device": "pump", "messages": 3}).decode(), end="")
    # HELP edgedescent_messages_total Messages handled.
    # TYPE edgedescent_messages_total counter
    edgedescent_messages_total{device="pump"} 3
    """
    device = {"device": str(metrics.get("device", ""))}
    lines: list[str] = []
    for name, family in FAMILIES.items():
        value = metrics.get(name)
        if isinstance(value, int | float):
            lines += _family(family, [(device, value)])
    letters = {key.removeprefix(_REASON): value for key, value in metrics.items() if key.startswith(_REASON)}
    if letters or "dead_letters" in metrics:
        # Without any, the family is still there, so that an alert on it can be tried.
        samples = [({**device, "reason": reason}, value) for reason, value in letters.items()]
        lines += _family(LETTERS, samples)
    if "state" in metrics:
        lines += _family(STATE, [({**device, "state": str(metrics["state"])}, 1)])
    if "version" in metrics:
        lines += _family(BUILD, [({**device, "version": str(metrics["version"])}, 1)])
    return "".join(f"{line}\n" for line in lines).encode()


def _family(family: Family, samples: list[tuple[dict[str, str], int | float]]) -> list[str]:
    name = PREFIX + family.name
    return [
        f"# HELP {name} {family.meaning}",
        f"# TYPE {name} {family.kind}",
        *(f"{name}{{{_labels(labels)}}} {_number(value)}" for labels, value in samples),
    ]


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    # repr writes the shortest text that gives the same number; the format's own words for the rest are NaN and +Inf.
    return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}.get(text := repr(value + 0), text)
