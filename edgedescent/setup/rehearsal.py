"""Rehearsal of a proposed configuration on what was heard: which derived features help."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from edgedescent.assembly import Row
from edgedescent.config import Config, convert
from edgedescent.engine.messages import Message
from edgedescent.setup.heard import Heard
from edgedescent.setup.proposal import Proposal, default_derive
from edgedescent.state.assembled import AssembledEvents

MESSAGES_MAX = 50_000
"""Number of messages that a rehearsal takes, the newest."""
EVENTS_MIN = 100
"""Number of labelled events below which a rehearsal says nothing."""

OnProgress = Callable[[int, int], None]


def config_of(proposal: Proposal) -> Config:
    """The configuration that the text of a proposal is.

    Raises:
        ConfigError: If it cannot make events.
    """
    config = convert(tomllib.loads(proposal.text()), Config)
    config.assembly_settings()
    return config


def vectors(proposal: Proposal, heard: Sequence[Heard], count: int) -> list[Row]:
    """The last events that a proposal makes of what was heard, without their labels."""
    events = AssembledEvents(config_of(proposal).engine_settings(), _messages(heard))
    return [row for row in events if row.y is None][-count:]


def rehearsed(proposal: Proposal, heard: Sequence[Heard], on_progress: OnProgress) -> Proposal:
    """The proposal with the derived features that gave the smallest error on what was heard, over all horizons.

    The sets are: nothing, own lags, lags and rolling statistics, and these with the calendar. Where too little was
    heard to tell, it is all of them.

    Args:
        proposal: The proposal.
        heard: The messages.
        on_progress: Called with the number of sets that were tried, and of all.
    """
    whole = default_derive(proposal.feature, proposal.horizons, proposal.zone)
    messages = _messages(heard[-MESSAGES_MAX:])
    results: list[tuple[float, list[tuple[dict[str, Any], str]]]] = []
    last_value = None
    sizes = (0, 2, 3, 4)
    for number, size in enumerate(sizes):
        on_progress(number, len(sizes))
        candidate = replace(proposal, derive=whole[:size])
        engine = config_of(candidate).build_engine()
        for message in messages:
            engine.handle(message)
        metrics = [engine.metrics_of(head) for head in engine.heads.all]
        n_scored = min(head.errors.n_scored for head in engine.heads.all)
        if n_scored < EVENTS_MIN:
            note = f"Too little was heard to try what helps ({n_scored} labels): these are usual."
            return replace(proposal, derive=whole, notes=[*proposal.notes, note])
        results.append((fmean(own["mae"] for own in metrics), whole[:size]))
        if all("forecast_mae_last_value" in own for own in metrics):
            last_value = fmean(own["forecast_mae_last_value"] for own in metrics)
    best, derive = min(results, key=lambda result: result[0])
    note = f"Tried on {len(messages)} messages: mean absolute error {best:.4g}"
    note += f", that of the last value {last_value:.4g}." if last_value is not None else "."
    return replace(proposal, derive=derive, notes=[*proposal.notes, note])


def _messages(heard: Sequence[Heard]) -> list[Message]:
    return [Message(i, one.received_at, one.topic, one.payload) for i, one in enumerate(heard, start=1)]
