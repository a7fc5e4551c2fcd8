"""Rehearsal of a device: its journal through the engine again, with the configuration it ran and with others."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

import edgedescent
from edgedescent.config import Config
from edgedescent.engine.core import Engine
from edgedescent.engine.head import horizon_name
from edgedescent.engine.messages import DriftAlarm, Effect, Message, Prediction, Predictions
from edgedescent.engine.slicing import Slicer
from edgedescent.errors import ConfigError
from edgedescent.evaluation import ErrorCurve, state_bytes
from edgedescent.state import codec
from edgedescent.state.checkpoint_table import Checkpoint
from edgedescent.state.settings_history import SettingsHistory, SettingsReplay
from edgedescent_sims.result import CandidateResult, Curve, Interval, SimulationResult, Timing
from edgedescent_sims.scenarios.files import changed
from edgedescent_sims.simulate.bars import judge
from edgedescent_sims.simulate.journals import Journal
from edgedescent_sims.simulate.runner import differences
from edgedescent_sims.simulate.tasks import Report, TaskProgress, run_tasks

AS_RUN = "as run"
"""Name of the candidate whose configuration the device ran."""
PROBE_MESSAGES = 1000
"""Number of messages after which a candidate that could use none of them is given up."""

OnProgress = Callable[[int, int], None]
"""Called with the number of messages so far, and of all."""

_COUNTED = ("events_learned", "events_predicted", "duplicates", "dead_letters")
_BUFFER = 4096
_REPORT_MESSAGES = 256

_decode_one = msgspec.json.Decoder(Prediction).decode
_decode_many = msgspec.json.Decoder(list[Prediction]).decode


@dataclass(frozen=True)
class Rehearsal:
    """Outcome of a rehearsal.

    Args:
        result: Scores of the candidates.
        timings: Cost of each.
        notices: What limits the comparison, a line each.
        verified_at: Position of the device's checkpoint with which the engine of the configuration that it ran was
            compared; None where there is none to compare with.
        agrees: True if that engine was the checkpoint, bit for bit; None without a checkpoint.
    """

    result: SimulationResult
    timings: list[Timing]
    notices: list[str]
    verified_at: int | None
    agrees: bool | None


@dataclass(frozen=True)
class Start:
    """Checkpoint that an engine starts from, and the one with which it is compared.

    Args:
        checkpoint: Checkpoint of the device to start from; None for an engine that has learned nothing.
        verify: Checkpoint of the device with which the engine is compared when it gets there.
        settings: Settings of the device's engine by position, which the engine gets too; those of its configuration
            where none are known.
    """

    checkpoint: Checkpoint | None = None
    verify: Checkpoint | None = None
    settings: SettingsHistory = field(default_factory=SettingsHistory)

    @property
    def position(self) -> int:
        """Position of the last message that the engine includes at the start."""
        return 0 if self.checkpoint is None else self.checkpoint.position


UNTRAINED = Start()


class Replayed:
    """Engine that processes a journal, and the scores of its answers.

    The errors are those that the engine itself counts: they are what the device reported, to the last bit, if the
    engine starts with the first message or from a checkpoint.

    Args:
        name: Name of the candidate.
        config: Its configuration.
        journal: The journal.
        start: Where it starts.
        on_answers: Called with each message that is answered, and the payload of the answers.
        on_progress: Called with the number of messages so far, every few hundred.

    Attributes:
        engine: The engine behind the last message.
        curve: Windowed error of the labelled events, by the place of their messages in the journal; of several
            horizons, those of the first.
        n_messages: Number of messages that could be read.
        alarms: Places in the journal of the messages at which the engine found drift; none where it does not watch.
        agrees: True if it was the checkpoint `start.verify`, bit for bit; None if there was none.

    Raises:
        ConfigError: If the candidate can use none of the messages.
    """

    def __init__(
        self,
        name: str,
        config: Config,
        journal: Journal,
        start: Start,
        on_answers: Callable[[Message, bytes], None] = lambda _message, _payload: None,
        on_progress: Callable[[int], None] = lambda _count: None,
    ) -> None:
        self.engine: Engine = config.build_engine(start.settings.at(start.position))
        self.curve = ErrorCurve(length=journal.last - journal.first + 1)
        self.n_messages = 0
        self.alarms: list[int] = []
        self.agrees: bool | None = None
        self._name = name
        self._journal = journal
        self._start = start
        self._rows: list[tuple[int, float, float]] = []
        if start.checkpoint is not None:
            self.engine.load_state_dict(start.checkpoint.state)
        self._settings = SettingsReplay(start.settings, self.engine)
        self._slicer = Slicer(time.monotonic)
        for message in journal.messages(after=start.position):
            self._handle(message, on_answers)
            if self.n_messages % _REPORT_MESSAGES == 0:
                on_progress(self.n_messages)
            if self.n_messages == PROBE_MESSAGES:
                self._require_use()
        self._flush()
        self._require_use()
        on_progress(self.n_messages)

    def _handle(self, message: Message, on_answers: Callable[[Message, bytes], None]) -> None:
        if message.position > self.engine.position + 1:
            # The journal is bounded: its oldest messages may be gone, and damaged ones are left out.
            self.engine.skip_to(message.position - 1)
        self.n_messages += 1
        self._settings.prepare(message.position)

        def apply(message: Message, effects: list[Effect]) -> bool:
            for effect in effects:
                if isinstance(effect, Predictions):
                    on_answers(message, effect.payload)
                    self._score(message.position, effect.payload)
                elif isinstance(effect, DriftAlarm):
                    self.alarms.append(message.position - self._journal.first + 1)
            return True

        messages = iter((message,))
        while not self._slicer.run(self.engine, messages, apply):
            # Between two slices, Ctrl-C is heard.
            pass
        verify = self._start.verify
        if verify is not None and message.position == verify.position:
            self.agrees = codec.encode(self.engine.state_dict()) == codec.encode(verify.state)

    def _score(self, position: int, payload: bytes) -> None:
        answers = _decode_many(payload) if payload.startswith(b"[") else (_decode_one(payload),)
        horizon = self.engine.heads.first.horizon_s
        self._rows += [
            (position, answer.y, answer.prediction)
            for answer in answers
            if answer.y is not None and answer.horizon_s == horizon
        ]
        if len(self._rows) >= _BUFFER:
            self._flush()

    def _flush(self) -> None:
        if not self._rows:
            return
        positions, y, predictions = zip(*self._rows, strict=True)
        self.curve.update_many([position - self._journal.first + 1 for position in positions], y, predictions)
        self._rows.clear()

    def _require_use(self) -> None:
        counters = self.engine.counters
        if not counters["events_learned"] + counters["events_predicted"] + counters["duplicates"]:
            reasons = [name.partition(".")[2] for name in counters if name.startswith("dead_letters.")]
            raise ConfigError(
                f"The candidate {self._name} can use none of the first {self.n_messages} messages of "
                f"{self._journal.name}" + (f" ({', '.join(reasons)})." if reasons else "."),
                "Its `[learner]` must take the kind of event, and `topics.format` be the format, of the journal.",
            )


def errors_of(engine: Engine) -> dict[str, float]:
    """Scores of an engine: those of its model, or of the first of several horizons, and ``mae_<horizon>`` of each."""
    several = {
        f"mae_{horizon_name(horizon)}": head.errors.summary()["mae"]
        for horizon, head in engine.heads.by_horizon.items()
        if horizon is not None and head.errors.n_scored
    }
    return {**engine.errors.summary(), **several}


def rehearse(
    journal: Journal,
    against: Mapping[str, Config],
    *,
    jobs: int = 1,
    fail_if: Sequence[str] = (),
    command: str = "",
    on_progress: OnProgress = lambda _n, _of: None,
) -> Rehearsal:
    """Process a journal with each configuration.

    Every candidate starts with an engine that has learned nothing, so that they can be compared. Where the oldest
    messages of the journal are gone, the configuration that the device ran is also run from its oldest checkpoint,
    because nothing else can equal what it reported; these errors are the scores ``reported_mae`` and so on.

    Args:
        journal: The journal.
        against: Further configurations by name.
        jobs: Number of processes.
        fail_if: Bars for every candidate but the one that the device ran.
        command: Command that repeats it.
        on_progress: Called now and then.

    Raises:
        ConfigError: If there is no configuration, a candidate can use none of the messages, or none has a label; or a
            bar names no score.
    """
    configs: dict[str, Config] = {} if journal.config is None else {AS_RUN: journal.config}
    configs |= against
    if not configs:
        raise ConfigError("There is nothing to compare.", "Give candidates with --against candidate.toml.")
    start, tail = _starts(journal)
    runs = [
        _Run(name, config, journal, start, tail) if name == AS_RUN else _Run(name, config, journal)
        for name, config in configs.items()
    ]
    outcomes = list(run_tasks(runs, jobs, _summed(runs, on_progress)))
    notices = _notices(runs, outcomes)
    candidates = [outcome.candidate for outcome in outcomes]
    result = SimulationResult(
        name=journal.name,
        stresses="what this device has received",
        command=command,
        version=edgedescent.__version__,
        scenario={"journal": journal.name, "first": journal.first, "last": journal.last},
        kind=outcomes[0].kind,
        seed=0,
        n_seeds=1,
        n_events=max(outcome.n_scored for outcome in outcomes),
        window=outcomes[0].window,
        main_score="mae",
        lower_is_better=True,
        marks=[],
        candidates=candidates,
        comparison=differences(candidates, "mae"),
        bars=[
            bar
            for candidate in candidates
            if candidate.name != AS_RUN
            for bar in judge(tuple(fail_if), candidate.name, candidate.scores)
        ],
    )
    return Rehearsal(
        result=result,
        timings=[outcome.timing for outcome in outcomes],
        notices=notices,
        verified_at=outcomes[0].verified_at,
        agrees=outcomes[0].agrees,
    )


def _starts(journal: Journal) -> tuple[Start, Start | None]:
    """First start of the configuration that the device ran, and a second one at the oldest checkpoint."""
    checkpoints = [] if journal.config is None else journal.checkpoints()
    if not checkpoints:
        return UNTRAINED, None
    # One within a message, as a stop leaves it, is behind no message.
    between = [checkpoint for checkpoint in checkpoints if not len(checkpoint.state["message_done"])]
    oldest, newest = checkpoints[0], between[-1] if between else None
    settings = journal.settings()
    first = Start(verify=newest, settings=settings) if journal.first == 1 else UNTRAINED
    return first, Start(oldest, newest if newest is not oldest else None, settings)


# --- One candidate ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Outcome:
    """Scores and counts of one candidate, as its process returns them."""

    candidate: CandidateResult
    timing: Timing
    kind: Any
    n_messages: int
    n_scored: int
    window: int
    agrees: bool | None
    verified_at: int | None
    reported_from: int | None
    """Position of the checkpoint from which the errors that the device reported were computed."""


@dataclass(frozen=True)
class _Run:
    """One candidate on the journal."""

    name: str
    config: Config
    journal: Journal
    start: Start = UNTRAINED
    tail: Start | None = None
    """Second start, for the errors that the device reported where the first one cannot have them."""

    def run(self, report: Report) -> _Outcome:
        def on_messages(count: int) -> None:
            report(count, None)

        started = time.perf_counter()
        replayed = Replayed(self.name, self.config, self.journal, self.start, on_progress=on_messages)
        seconds = time.perf_counter() - started
        n_scored = replayed.engine.errors.n_scored
        if not n_scored:
            raise ConfigError(
                f"No labelled event of {self.journal.name} could be scored for the candidate {self.name}.",
                "The error needs events with a label `y`.",
            )
        metrics: dict[str, Any] = replayed.engine.metrics()
        n_bytes = sum(state_bytes(head.learner.state_dict()) for head in replayed.engine.heads.all)
        scores: dict[str, float] = {**errors_of(replayed.engine), **{key: metrics[key] for key in _COUNTED}}
        agrees, verify = replayed.agrees, self.start.verify
        used_tail = self.tail is not None and (self.journal.first > 1 or agrees is False)
        if self.tail is not None and used_tail:
            later = Replayed(self.name, self.config, self.journal, self.tail)
            scores |= {f"reported_{key}": value for key, value in errors_of(later.engine).items()}
            agrees, verify = later.agrees, self.tail.verify
        candidate = CandidateResult(
            name=self.name,
            learner=changed(replayed.engine.learner),
            is_peer=False,
            is_repeatable=True,
            scores={key: Interval(value, by_seed=[value]) for key, value in scores.items() if math.isfinite(value)},
            curve=Curve(replayed.curve.numbers.tolist(), replayed.curve.errors.tolist()),
            alarms=replayed.alarms,
        )
        return _Outcome(
            candidate=candidate,
            timing=Timing(self.name, seconds * 1e6 / n_scored, n_bytes),
            kind=replayed.engine.learner.input_kind,
            n_messages=replayed.n_messages,
            n_scored=n_scored,
            window=replayed.curve.size,
            agrees=agrees,
            verified_at=None if verify is None or agrees is None else verify.position,
            reported_from=self.tail.position if self.tail is not None and used_tail else None,
        )


def _notices(runs: Sequence[_Run], outcomes: Sequence[_Outcome]) -> list[str]:
    notices = []
    journal, outcome = runs[0].journal, outcomes[0]
    if journal.first > 1:
        notices.append(
            f"The journal begins with message {journal.first}: every candidate starts untrained there, so that no "
            "error equals what the device reported."
        )
    missing = max(journal.n_messages - each.n_messages for each in outcomes)
    if missing:
        notices.append(
            f"{missing} messages of the journal could not be read: they are damaged, or the device has meanwhile "
            "removed them."
        )
    if outcome.reported_from is not None:
        notices.append(
            f"What the device reported is in `reported_mae` and so on of {AS_RUN!r}, computed from its checkpoint at "
            f"message {outcome.reported_from} on."
        )
    if outcome.agrees is False:
        notices.append(
            f"{AS_RUN!r} differs from the device's checkpoint at message {outcome.verified_at}: messages are missing, "
            "or it ran for a while with another version or, before a migration, with another learner."
        )
    return notices


def _summed(runs: Sequence[_Run], on_progress: OnProgress) -> Callable[[TaskProgress], None]:
    """Progress of the single candidates as that of all messages together."""
    total = sum(run.journal.n_messages for run in runs)
    counts = [0] * len(runs)

    def report(progress: TaskProgress) -> None:
        counts[progress.place] = progress.events
        on_progress(sum(counts), total)

    return report
