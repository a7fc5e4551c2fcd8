"""Rehearsal of a device: its journal through the engine again, with the configuration it ran and with others."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

import edgedescent
from edgedescent import config as configuration
from edgedescent.config import Config
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import Message, Prediction, Predictions
from edgedescent.errors import ConfigError
from edgedescent.evaluation import ErrorCurve
from edgedescent.state import recording
from edgedescent_sims.result import CandidateResult, Curve, Interval, SimulationResult

AS_RUN = "as run"
"""Name of the candidate whose configuration the device ran."""

OnProgress = Callable[[int, int], None]
"""Called with the number of messages so far, and of all."""

_decode_one = msgspec.json.Decoder(Prediction).decode
_decode_many = msgspec.json.Decoder(list[Prediction]).decode


@dataclass(frozen=True)
class Journal:
    """Messages that a device received, in order.

    Args:
        name: Name of the device.
        folder: State folder that holds the journal; None of a recording.
        path: Recording by `edgedescent journal export`; None of a state folder.
        config: Configuration that the device ran; None where it is unknown.
        n_messages: Number of messages.
    """

    name: str
    folder: Path | None
    path: Path | None
    config: Config | None
    n_messages: int

    def messages(self) -> Iterator[Message]:
        """Yield the messages from the first one on."""
        if self.folder is not None:
            yield from recording.read(self.folder)
            return
        assert self.path is not None  # noqa: S101 - one of the two is given
        from edgedescent_sims.sources.journal import JournalSource

        yield from JournalSource(path=str(self.path)).messages()


def open_journal(spec: Path) -> Journal:
    """Find the journal of a device by its configuration file, its state folder, or a recording of it.

    Raises:
        ConfigError: If it is none of these.
        StateError: If the state cannot be read.
    """
    if spec.is_dir():
        return Journal(spec.name, spec, None, None, _length(spec))
    if spec.suffix == ".toml":
        config = configuration.load(spec)
        folder = Path(config.state.path)
        return Journal(config.device, folder, None, config, _length(folder))
    if not spec.is_file():
        raise ConfigError(
            f"There is no journal {spec}.",
            "Give a device's configuration, its state folder, or a file by `edgedescent journal export`.",
        )
    from edgedescent_sims.sources.journal import JournalSource

    source = JournalSource(path=str(spec))
    return Journal(source.name, None, spec, None, sum(1 for _ in source.messages()))


def _length(folder: Path) -> int:
    found = recording.extent(folder)
    return found.last - found.first + 1 if found.last else 0


class Replayed:
    """Engine that has processed a journal: its errors, and the curve of its predictions.

    Attributes:
        engine: The engine behind the last message.
        curve: Windowed error of the labelled events.
        n_events: Number of labelled events that were predicted.
    """

    def __init__(
        self,
        config: Config,
        messages: Iterable[Message],
        on_prediction: Callable[[Message, bytes], None] = lambda _message, _payload: None,
        on_message: Callable[[int], None] = lambda _count: None,
    ) -> None:
        self.engine: Engine = config.build_engine()
        self.curve = ErrorCurve()
        self.n_events = 0
        for count, message in enumerate(messages, start=1):
            if message.position > self.engine.position + 1:
                # The journal is bounded: its oldest messages may be gone, and damaged ones are left out.
                self.engine.skip_to(message.position - 1)
            for effect in self.engine.handle(message):
                if isinstance(effect, Predictions):
                    on_prediction(message, effect.payload)
                    self._score(effect.payload)
            on_message(count)

    def _score(self, payload: bytes) -> None:
        answers = _decode_many(payload) if payload.startswith(b"[") else [_decode_one(payload)]
        labelled = [(answer.y, answer.prediction) for answer in answers if answer.y is not None]
        if labelled:
            numbers = np.arange(self.n_events + 1, self.n_events + len(labelled) + 1)
            self.n_events += len(labelled)
            targets, predictions = zip(*labelled, strict=True)
            self.curve.update_many(numbers, targets, predictions)


def rehearse(
    journal: Journal,
    against: Mapping[str, Config],
    *,
    command: str = "",
    on_progress: OnProgress = lambda _n, _of: None,
) -> SimulationResult:
    """Process a journal with each configuration, from an engine that has learned nothing.

    The errors are those that the engine itself counts, so that of the configuration that the device ran they are what
    it reported, to the last bit, as long as the journal holds its first message.

    Args:
        journal: The journal.
        against: Further configurations by name.
        command: Command that repeats it.
        on_progress: Called after every message.

    Raises:
        ConfigError: If there is no configuration, or the journal holds no labelled event.
    """
    configs: dict[str, Config] = {} if journal.config is None else {AS_RUN: journal.config}
    configs |= against
    if not configs:
        raise ConfigError("There is nothing to compare.", "Give candidates with --against candidate.toml.")
    total = journal.n_messages * len(configs)
    candidates, kinds, n_events = [], set(), 0
    for place, (name, config) in enumerate(configs.items()):
        before = place * journal.n_messages
        report = functools.partial(_report, on_progress, before, total)
        replayed = Replayed(config, journal.messages(), on_message=report)
        if not replayed.n_events:
            raise ConfigError(
                f"No labelled event of {journal.name} could be used by the candidate {name}.",
                "Does its learner take the kind of event that the journal holds?",
            )
        kinds.add(replayed.engine.learner.input_kind)
        n_events = max(n_events, replayed.n_events)
        candidates.append(_candidate(name, config, replayed))
    return SimulationResult(
        name=journal.name,
        stresses="what this device has received",
        command=command,
        version=edgedescent.__version__,
        scenario={"journal": journal.name, "messages": journal.n_messages},
        kind=min(kinds),
        seed=0,
        n_seeds=1,
        n_events=n_events,
        window=_window_of(candidates),
        main_score="mae",
        lower_is_better=True,
        marks=[],
        candidates=candidates,
    )


def _report(on_progress: OnProgress, before: int, total: int, count: int) -> None:
    on_progress(before + count, total)


def _window_of(candidates: Sequence[CandidateResult]) -> int:
    """Number of events in a window of the curves."""
    numbers = candidates[0].curve.number
    return numbers[1] - numbers[0] if len(numbers) > 1 else 1


def _candidate(name: str, config: Config, replayed: Replayed) -> CandidateResult:
    metrics: dict[str, Any] = replayed.engine.metrics()
    counted = ("events_learned", "events_predicted", "duplicates", "dead_letters")
    scores = {**replayed.engine.errors.summary(), **{key: metrics[key] for key in counted}}
    return CandidateResult(
        name=name,
        learner=dict(config.learner),
        is_peer=False,
        is_repeatable=True,
        scores={key: Interval(value, by_seed=[value]) for key, value in scores.items() if math.isfinite(value)},
        curve=Curve(replayed.curve.numbers.tolist(), replayed.curve.errors.tolist()),
    )
