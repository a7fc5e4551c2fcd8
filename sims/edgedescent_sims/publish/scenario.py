"""Replay of a scenario at a running daemon: its events are published in their pace, its answers read and scored."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from edgedescent.validation import Declared
from edgedescent_mqtt.client import Connection
from edgedescent_sims.publish.device import Device
from edgedescent_sims.publish.listening import ListeningPublisher
from edgedescent_sims.publish.player import ArrivalPace, ScenarioPlayer
from edgedescent_sims.publish.publisher import StopPublishing
from edgedescent_sims.result import SimulationResult, Timing
from edgedescent_sims.scenarios.scenario import Scenario
from edgedescent_sims.simulate.progressive import Scored
from edgedescent_sims.simulate.run import CandidateRun, run_candidate
from edgedescent_sims.simulate.runner import assemble
from edgedescent_sims.sources.base import Notify, ignore

IN_MEMORY = "in memory"
"""Name of the candidate that runs the device's learner in this process."""


@dataclass(kw_only=True)
class RemoteLearner(Declared):
    """Learner of a device, of which only the answers are known: what a result names instead of its parameters."""

    predictions: Annotated[str, Meta(description="Topic of its answers")]
    input_kind = "both"


class ScenarioReplay(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of a scenario's replay at a device."""

    result: SimulationResult | None
    """Scores of the device, and where its learner is known, of the same learner in memory; None if interrupted."""
    timing: list[Timing]
    events_sent: int
    """Number of events that the broker has acknowledged."""
    answers: int
    """Number of answers that were awaited and came."""
    answers_missing: int
    answers_repeated: int
    """Number of answers that came again, after a lost connection or a crash of the device."""
    answers_to_others: int
    """Number of answers to events that are not of this replay: the device learns from somebody else too."""
    learned_before: int
    """Number of events, at least, that the device had learned before or that somebody else sent it."""
    agrees: bool | None
    """True if the scores are those in memory, to the last bit; None where the learner is unknown."""
    reconnects: int
    seconds: float
    interrupted: bool


def replay_scenario(
    scenario: Scenario,
    connection: Connection,
    device: Device,
    *,
    speed: float | None = None,
    id_prefix: str | None = None,
    qos: int = 1,
    window: int = 200,
    unanswered_max: int = 1000,
    answer_timeout_s: float = 30.0,
    connect_timeout_s: float = 30.0,
    command: str = "",
    notify: Notify = ignore,
    on_progress: Callable[[int], None] = lambda _events: None,
    on_scored: Callable[[Scored], None] = lambda _scored: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> ScenarioReplay:
    """Publish the events of a scenario to a device, one a message, and score its answers as a run in memory is scored.

    A device that has learned nothing before, and learns from nobody else, gets the scores of a run in memory to the
    last bit. At QoS 1 this holds through lost connections, if the device publishes with QoS 1 too.

    Args:
        scenario: The scenario; its candidates and peers are not run.
        connection: The broker.
        device: The device.
        speed: Factor on the pace in which the events arrive; as fast as the device answers if None.
        id_prefix: Text before the number in the event ids; the scenario's name and a dash if None.
        qos: QoS of the events.
        window: Most messages that the broker may not have acknowledged.
        unanswered_max: Most messages that may be published beyond the oldest one without an answer, so that no bounded
            queue on the way drops one.
        answer_timeout_s: Longest wait for the next answer.
        connect_timeout_s: Longest wait for a missing broker.
        command: Command that repeats it.
        notify: Called with one line for each notice to the user.
        on_progress: Called with the number of answers so far, at most ten times a second.
        on_scored: Called with the scored events and their predictions, in order.
        should_stop: Asked often; once it returns True, the replay ends early, and the outcome says so.

    Raises:
        ConfigError: If the scenario has a drift or fault that cannot be.
        TransportError: If the broker is missing for too long, or refuses; or if the device is stopped or answers
            nothing.
    """
    scenario.marks()
    alone = dataclasses.replace(
        scenario, candidates={}, peers={}, expected_failures={}, fail_if=(), n_seeds=1, main_score=None
    )
    prefix = f"{scenario.name}-" if id_prefix is None else id_prefix
    publisher = ListeningPublisher(
        connection,
        device.events,
        (device.predictions, device.metrics, device.status),
        qos=qos,
        window=window,
        connect_timeout_s=connect_timeout_s,
        notify=notify,
        should_stop=should_stop,
    )
    run = ScenarioPlayer(
        alone,
        publisher,
        device,
        prefix,
        pace=ArrivalPace(speed),
        unanswered_max=unanswered_max,
        answer_timeout_s=answer_timeout_s,
        on_progress=on_progress,
        on_scored=on_scored,
    )
    interrupted = False
    started = time.monotonic()
    try:
        with publisher:
            started = time.monotonic()
            try:
                run.play()
            except StopPublishing:
                interrupted = True
                publisher.drain_briefly()
    except StopPublishing:
        interrupted = True  # The caller stopped while the first connection was awaited.
    seconds = time.monotonic() - started
    book = run.book
    n_answered = book.n_answered
    result: SimulationResult | None = None
    timing: list[Timing] = []
    agrees: bool | None = None
    if not interrupted:
        own = run.finish(us_per_event=seconds * 1e6 / max(n_answered, 1))
        memory = None if device.learner is None else _in_memory(alone, device)
        agrees = None if memory is None else _is_same(own, memory)
        result, timing = _result(alone, device, own, memory, command)
    return ScenarioReplay(
        result=result,
        timing=timing,
        events_sent=publisher.events_acked,
        answers=n_answered,
        answers_missing=book.n_unanswered + run.n_unsent,
        answers_repeated=book.duplicates,
        answers_to_others=book.others,
        learned_before=run.learned_before,
        agrees=agrees,
        reconnects=publisher.reconnects,
        seconds=seconds,
        interrupted=interrupted,
    )


# --- The result ---------------------------------------------------------------------------------------------------


def _in_memory(scenario: Scenario, device: Device) -> CandidateRun:
    assert device.learner is not None  # noqa: S101
    return run_candidate(dataclasses.replace(scenario, candidates={IN_MEMORY: device.learner}), IN_MEMORY)


def _is_same(own: CandidateRun, memory: CandidateRun) -> bool:
    """True if the scores of a run are those of another, to the last bit; the other may have more."""
    pairs = [(value, memory.scores.get(name)) for name, value in own.scores.items()]
    # A NaN is the one value that is not equal to itself.
    same = all(one == other or (one != one and other != other) for one, other in pairs)  # noqa: PLR0124
    return same and own.curve == memory.curve and own.recoveries == memory.recoveries


def _result(
    scenario: Scenario, device: Device, own: CandidateRun, memory: CandidateRun | None, command: str
) -> tuple[SimulationResult, list[Timing]]:
    candidates: dict[str, Any] = {device.name: device.learner or RemoteLearner(predictions=device.predictions)}
    runs = {device.name: [own]}
    if memory is not None:
        candidates[IN_MEMORY] = device.learner
        runs[IN_MEMORY] = [memory]
    result = assemble(dataclasses.replace(scenario, candidates=candidates), runs, command=command)
    return result, [Timing(name, run.us_per_event, run.state_bytes) for name, (run,) in runs.items()]
