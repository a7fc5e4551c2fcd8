"""Metrics in Prometheus' text format (exposition format 0.0.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "edgedescent_"


class Family(NamedTuple):
    """Name, type and help text of a metric in Prometheus."""

    name: str
    kind: Literal["counter", "gauge"]
    meaning: str


_OF_INPUTS = {
    "messages_ignored": Family("messages_ignored_total", "counter", "Messages that no input reads."),
    "ticks": Family("ticks_total", "counter", "Ticks, which move the time on where nothing comes."),
    "inputs_silent": Family("inputs_silent", "gauge", "Inputs that are silent."),
    "inputs_fell_silent": Family("inputs_fell_silent_total", "counter", "Times that an input fell silent."),
    "readings": Family("readings_total", "counter", "Readings of inputs."),
    "readings_late": Family("readings_late_total", "counter", "Readings that came too late, not used."),
    "readings_repeated": Family("readings_repeated_total", "counter", "Readings that came again, used once."),
    "readings_corrected": Family(
        "readings_corrected_total", "counter", "Readings that said something else about the time of another one."
    ),
    "readings_released_early": Family(
        "readings_released_early_total", "counter", "Readings used before their time because too many waited."
    ),
    "readings_waiting": Family("readings_waiting", "gauge", "Readings that wait for those before them."),
    "clocks_set_back": Family(
        "clocks_set_back_total", "counter", "Readings whose time was set back because it was far ahead of the arrival."
    ),
    "clocks_held_back": Family(
        "clocks_held_back_total", "counter", "Readings that did not move the time on because all others were behind."
    ),
    "arrivals_turned_back": Family(
        "arrivals_turned_back_total", "counter", "Times that the clock of the machine went back by much."
    ),
    "features_dropped": Family("features_dropped_total", "counter", "Values of features for which there was no room."),
    "rows_empty": Family("rows_empty_total", "counter", "Events not made because no feature had a value."),
    "rows_skipped": Family("rows_skipped_total", "counter", "Events of an interval left out behind a long gap."),
    "rows_forgotten": Family(
        "rows_forgotten_total", "counter", "Windows by duration that were missing because they have too many events."
    ),
    "questions": Family("questions_total", "counter", "Events that had to wait for their labels."),
    "questions_waiting": Family("questions_waiting", "gauge", "Events that wait for their labels."),
    "questions_waiting_bytes": Family("questions_waiting_bytes", "gauge", "Memory that they take."),
    "questions_dropped": Family("questions_dropped_total", "counter", "Events given up because too many waited."),
    "questions_expired": Family("questions_expired_total", "counter", "Events whose labels did not come in time."),
    "questions_replaced": Family(
        "questions_replaced_total",
        "counter",
        "Events replaced by one with the same id or key before their labels came.",
    ),
    "questions_unnamed": Family("questions_unnamed_total", "counter", "Events without the id or key of their labels."),
    "labels_joined": Family("labels_joined_total", "counter", "Labels that came later and found their events."),
    "labels_missing": Family("labels_missing_total", "counter", "Labels that were a gap, or too old."),
    "labels_unmatched": Family("labels_unmatched_total", "counter", "Labels for which no event waited."),
    "labels_repeated": Family("labels_repeated_total", "counter", "Labels that came again, learned once."),
    "labels_corrected": Family(
        "labels_corrected_total", "counter", "Labels that differ from the one that was learned before."
    ),
    "forecast_mae_last_value": Family(
        "forecast_mean_absolute_error_last_value", "gauge", "Error of forecasting the value at the prediction."
    ),
    "forecast_mae_beside_last_value": Family(
        "forecast_mean_absolute_error_beside_last_value", "gauge", "Error of the model over the same forecasts."
    ),
    "forecast_mae_seasonal": Family(
        "forecast_mean_absolute_error_seasonal", "gauge", "Error of forecasting the value of a season before."
    ),
    "forecast_mae_beside_seasonal": Family(
        "forecast_mean_absolute_error_beside_seasonal", "gauge", "Error of the model over the same forecasts."
    ),
}
"""Families of a device that has inputs."""
FAMILIES = {
    "time": Family("report_timestamp_seconds", "gauge", "Time of these metrics, in seconds since 1970."),
    "position": Family("journal_position", "gauge", "Position of the last message handled."),
    "messages": Family("messages_total", "counter", "Messages handled."),
    "messages_lost": Family("messages_lost_total", "counter", "Journaled messages that could not be read back."),
    "events_learned": Family("events_learned_total", "counter", "Events learned."),
    "events_predicted": Family("events_predicted_total", "counter", "Events without a label, predicted only."),
    "duplicates": Family("duplicates_total", "counter", "Repeats of learned events, not learned again."),
    "ids_reused": Family("ids_reused_total", "counter", "Events with the id of another one that said something else."),
    "messages_redelivered": Family(
        "messages_redelivered_total", "counter", "Messages recognized as sent again by the broker."
    ),
    "sessions_lost": Family(
        "sessions_lost_total", "counter", "Sessions that the broker did not keep, since the start."
    ),
    "sessions_taken_over": Family(
        "sessions_taken_over_total", "counter", "Connections ended by another client with the same id, since the start."
    ),
    "messages_unasked": Family(
        "messages_unasked_total", "counter", "Messages that match no filter, not learned, since the start."
    ),
    "messages_copied": Family(
        "messages_copied_total", "counter", "Copies of messages for overlapping filters, which are not learned."
    ),
    "messages_forgotten": Family(
        "messages_forgotten_total",
        "counter",
        "Messages that the broker did not send again though they were not acknowledged, since the start.",
    ),
    "rate_limited": Family(
        "events_rate_limited_total", "counter", "Events not learned because of a rate limit, since the start."
    ),
    "rate_limited_bytes": Family(
        "rate_limited_bytes_total", "counter", "Bytes of messages not learned because of a rate limit, since the start."
    ),
    "dead_letters_unkept": Family(
        "dead_letters_unkept_total", "counter", "Dead letters beyond the first 100 of a message."
    ),
    "values_skipped": Family("values_skipped_total", "counter", "Values out of range, treated as missing."),
    "targets_skipped": Family("targets_skipped_total", "counter", "Labels out of range, not learned."),
    "targets_unscored": Family(
        "targets_unscored_total", "counter", "Labels far away from all others, left out of the errors."
    ),
    "quarantines_lifted": Family(
        "quarantines_lifted_total", "counter", "Times that so many events were quarantined that the next was learned."
    ),
    "updates_undone": Family("updates_undone_total", "counter", "Steps undone because a weight was not finite."),
    "features_evicted": Family("features_evicted_total", "counter", "Features replaced by new ones in a full table."),
    "features_shared": Family(
        "features_shared_total", "counter", "Times that a new feature got no row of a full table."
    ),
    "features_left_out": Family("features_left_out", "gauge", "Features left out because no category came twice."),
    "categories_left_out": Family(
        "categories_left_out_total", "counter", "New categories of such features, which got no row."
    ),
    "users_evicted": Family("users_evicted_total", "counter", "Users replaced by new ones in a full table."),
    "users_shared": Family("users_shared_total", "counter", "Times that a new user got no row of a full table."),
    "items_evicted": Family("items_evicted_total", "counter", "Items replaced by new ones in a full table."),
    "items_shared": Family("items_shared_total", "counter", "Times that a new item got no row of a full table."),
    "units_restarted": Family("units_restarted_total", "counter", "Inactive units of a network, initialized again."),
    "networks_replaced": Family(
        "networks_replaced_total", "counter", "Networks replaced by mutated copies of better ones."
    ),
    "label_age_events": Family(
        "label_age_events", "gauge", "Number of events between the last label and the one that is predicted next."
    ),
    "labels_replaced": Family("labels_replaced_total", "counter", "Outlying labels replaced before they were learned."),
    "members_restarted": Family(
        "members_restarted_total", "counter", "Members of an ensemble initialized again because of a broken number."
    ),
    "replays_let_go": Family(
        "replays_let_go_total",
        "counter",
        "Times that a network dropped stored events that no longer agree with new ones.",
    ),
    "predictions_replaced": Family(
        "predictions_replaced_total", "counter", "Predictions not finite, replaced by the mean."
    ),
    "events_beyond_bound": Family(
        "events_beyond_bound_total", "counter", "Events not learned: the model is at its bound."
    ),
    "messages_waiting": Family("messages_waiting", "gauge", "Messages received and not yet learned."),
    "seconds_behind": Family("seconds_behind", "gauge", "Seconds from sending, or else receipt, to learning."),
    "busy": Family("busy_ratio", "gauge", "Share of the last second in which the learner was busy."),
    "saturated": Family("saturated", "gauge", "1 while more comes than the learner can bear, else 0."),
    "events_per_busy_second": Family(
        "events_per_busy_second", "gauge", "Events that the learner could bear in a second."
    ),
    "messages_shed": Family("messages_shed_total", "counter", "Labelled messages not learned under saturation."),
    "share_learned": Family("share_learned", "gauge", "Share of the labelled messages that is learned."),
    "messages_uncommitted": Family("messages_uncommitted", "gauge", "Messages learned and not yet acknowledged."),
    "commits": Family("commits_total", "counter", "Commits to the journal since the start."),
    "checkpoints": Family("checkpoints_total", "counter", "Checkpoints since the start."),
    "disk_full": Family("disk_full_total", "counter", "Pauses because of a full disk since the start."),
    "writes_spent": Family("writes_spent_total", "counter", "Pauses because of the write budget since the start."),
    "written_bytes": Family("written_bytes_total", "counter", "Bytes written to disks since the start."),
    "written_bytes_left": Family("written_bytes_left", "gauge", "Bytes left of the day's write budget."),
    "written_bytes_per_day": Family(
        "written_bytes_per_day", "gauge", "Bytes written to disks per day, at the current rate."
    ),
    "answers_waiting": Family(
        "answers_waiting", "gauge", "Predictions and recommendations that wait for a connection."
    ),
    "answers_dropped": Family("answers_dropped_total", "counter", "Answers dropped because too many were waiting."),
    "drift_alarms_dropped": Family(
        "drift_alarms_dropped_total", "counter", "Drift alarms dropped because too many were waiting, since the start."
    ),
    "answers_split": Family(
        "answers_split_total", "counter", "Predictions split because the broker takes less at once."
    ),
    "publications_too_large": Family(
        "publications_too_large_total", "counter", "Messages and single answers larger than the broker takes, not sent."
    ),
    "publications_refused": Family(
        "publications_refused_total", "counter", "Messages that the broker refused by a reason code, since the start."
    ),
    "events_per_second": Family("events_per_second", "gauge", "Events learned per second since the last report."),
    "log_lines_dropped": Family(
        "log_lines_dropped_total", "counter", "Lines of the log dropped since the start because nobody read it."
    ),
    "memory_bytes": Family("resident_memory_bytes", "gauge", "Resident memory of the daemon."),
    "mae": Family("mean_absolute_error", "gauge", "Mean absolute error of prequential predictions."),
    "mae_recent": Family("mean_absolute_error_recent", "gauge", "The same with exponentially decaying weights."),
    "mae_last_value_recent": Family(
        "mean_absolute_error_last_value_recent", "gauge", "The same for predicting the last value."
    ),
    "rmse": Family("root_mean_squared_error", "gauge", "Root mean squared error of prequential predictions."),
    "r2": Family("r2", "gauge", "Share of the variance of the labels that is predicted (R squared)."),
    "mase": Family(
        "mean_absolute_scaled_error", "gauge", "Mean absolute error relative to that of predicting the last value."
    ),
    "mae_last_value": Family("mean_absolute_error_last_value", "gauge", "Error of predicting the last value."),
    "mae_mean": Family("mean_absolute_error_mean", "gauge", "Error of predicting the mean of the labels so far."),
    "interval_coverage": Family(
        "prediction_interval_coverage", "gauge", "Share of the labels within their prediction interval."
    ),
    "interval_coverage_recent": Family(
        "prediction_interval_coverage_recent", "gauge", "The same with exponentially decaying weights."
    ),
    "item_events": Family("item_events_total", "counter", "Events about items: their attributes and availability."),
    "recommend_requests": Family("recommend_requests_total", "counter", "Requests for recommendations."),
    "recommendations": Family(
        "recommendations_total", "counter", "Lists of recommended items, made by request or event."
    ),
    "requests_refused": Family(
        "recommend_requests_refused_total",
        "counter",
        "Requests not answered because of the response topic that they name, since the start.",
    ),
    "lists_scored": Family("recommendations_scored_total", "counter", "Lists scored by the choice that came next."),
    "recall_at_k": Family("recommendations_recall", "gauge", "Share of the choices that were among the first k items."),
    "recall_at_k_recent": Family(
        "recommendations_recall_recent", "gauge", "The same with exponentially decaying weights."
    ),
    "ndcg_at_k": Family("recommendations_ndcg", "gauge", "Mean NDCG of the first k items: as recall, by rank."),
    "ndcg_at_k_recent": Family("recommendations_ndcg_recent", "gauge", "The same with exponentially decaying weights."),
    "hit_rate_at_k": Family("recommendations_hit_rate", "gauge", "Share of the lists with a chosen item."),
    "hit_rate_at_k_popularity": Family(
        "recommendations_hit_rate_popularity", "gauge", "The same for the items that were chosen most often lately."
    ),
    "catalogue_coverage": Family(
        "recommendations_coverage", "gauge", "Share of the catalogue that is in the last lists scored."
    ),
    "since": Family(
        "state_since_timestamp_seconds", "gauge", "Time of the last change of state, in seconds since 1970."
    ),
    "connected": Family("connected", "gauge", "1 while connected to the broker, else 0."),
    **_OF_INPUTS,
}
"""Families by the name of the metric in the daemon. Dead letters by reason are separate."""
DRIFT_ALARMS = Family(
    "drift_alarms_total", "counter", "Changes found in the prediction error or in an input, by what was watched."
)
DEAD_LETTERS = Family("dead_letters_total", "counter", "Events that could not be used, by reason.")
DECODING = Family("decoding_total", "counter", "What decoders of inputs count, by name.")
STATE = Family("state", "gauge", "1, labelled with the state of the daemon.")
BUILD = Family("build_info", "gauge", "1, labelled with the version of the daemon.")
_REASON = "dead_letters."
_WATCHED = "drift_alarms."
_DECODING = "decoding."


def render(metrics: Mapping[str, Any]) -> bytes:
    """Render metrics in Prometheus' text format. Metrics without a number are omitted.

    Those of several horizons have the label ``horizon``, in seconds.

    Args:
        metrics: Metrics of the daemon by name.

    Returns:
        The text, encoded as UTF-8.

    Example:
        >>> print(render({"device": "pump", "messages": 3}).decode(), end="")
        # HELP edgedescent_messages_total Messages handled.
        # TYPE edgedescent_messages_total counter
        edgedescent_messages_total{device="pump"} 3
    """
    device = {"device": str(metrics.get("device", ""))}
    lines: list[str] = []
    horizons: Mapping[str, Mapping[str, Any]] = metrics.get("horizons", {})
    for name, family in FAMILIES.items():
        # Not the sum as well, which a query over the family would count twice.
        of_horizons = [({**device, "horizon": one}, own[name]) for one, own in horizons.items() if name in own]
        found = of_horizons or [(device, metrics.get(name))]
        samples = [(labels, value) for labels, value in found if isinstance(value, int | float)]
        if samples:
            lines += _family(family, samples)
    dead_letters = _samples(metrics, _REASON, device, "reason")
    if dead_letters or "dead_letters" in metrics:
        # The family is present even without samples, so that an alert on it can be tested.
        lines += _family(DEAD_LETTERS, dead_letters)
    if decoding := _samples(metrics, _DECODING, device, "what"):
        lines += _family(DECODING, decoding)
    if "drift_alarms" in metrics:
        samples = [
            ({**device, "watched": watched}, metrics.get(f"{_WATCHED}{watched}", 0)) for watched in ("error", "input")
        ]
        lines += _family(DRIFT_ALARMS, samples)
    if "state" in metrics:
        lines += _family(STATE, [({**device, "state": str(metrics["state"])}, 1)])
    if "version" in metrics:
        lines += _family(BUILD, [({**device, "version": str(metrics["version"])}, 1)])
    return "".join(f"{line}\n" for line in lines).encode()


def _samples(
    metrics: Mapping[str, Any], prefix: str, device: Mapping[str, str], label: str
) -> list[tuple[dict[str, str], int | float]]:
    """Samples of the metrics whose names begin with a prefix; what follows it is the value of a label."""
    names = (name for name in metrics if name.startswith(prefix))
    return [({**device, label: name.removeprefix(prefix)}, metrics[name]) for name in names]


def _family(family: Family, samples: list[tuple[dict[str, str], int | float]]) -> list[str]:
    """Lines of one family."""
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
    # `repr` gives the shortest text that reads back as the same number; the format writes NaN and +Inf differently.
    return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}.get(text := repr(value + 0), text)
