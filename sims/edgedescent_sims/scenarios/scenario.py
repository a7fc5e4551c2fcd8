"""Scenario: a stream with drifts and faults, the candidates that are compared on it, and the bars they must hold."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self

from msgspec import Meta

from edgedescent.errors import ConfigError
from edgedescent.learners import Learner
from edgedescent.validation import Declared, parameters
from edgedescent_sims.drift import Drift
from edgedescent_sims.peers import Peer
from edgedescent_sims.sources.base import Kind, Mark, Source, Transform

DetectorName = Literal["ADWIN", "KSWIN", "PageHinkley"]
"""Detectors that find a change of a mean or of a distribution."""

STAGE_SEEDS = 1000
"""Number of seeds of stages between those of two scenarios with consecutive seeds."""
SEED_STEP = 1_000_003
"""Distance between the seeds of two repetitions."""


@dataclass(kw_only=True, eq=False)
class Scenario(Declared):
    """A rehearsal: candidates and peers on one stream, which drifts and faults disturb.

    Raises:
        ValueError: If a parameter is out of its range.
        ConfigError: If a candidate cannot learn what the stream holds.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent_sims.drift import SignFlip
        >>> from edgedescent_sims.sources import LinearStream
        >>> stream = SignFlip(LinearStream(n_events=2000), columns=("x0",), at=1000)
        >>> scenario = Scenario(name="flip", stream=stream, candidates={"linear": LinearRegressor()})
        >>> [mark.label for mark in scenario.marks()]
        ['SignFlip x0']
    """

    name: Annotated[str, Meta(description="Name, of which files and sections of the report are named")] = "scenario"
    stresses: Annotated[str, Meta(description="What it stresses, in one line")] = ""
    good_learner: Annotated[str, Meta(description="What a good learner does, in a sentence or two")] = ""
    stream: Annotated[Source, Meta(description="Events: a source, or transforms around one")]
    candidates: Mapping[str, Learner] = field(default_factory=dict)
    """Learners to compare, by name; each run learns with a fresh copy."""
    peers: Mapping[str, Peer] = field(default_factory=dict)
    """Baselines and learners of other libraries, by name."""
    seed: Annotated[int, Meta(ge=0, le=2**31, description="Seed of the stages that give none of their own")] = 1
    n_seeds: Annotated[int, Meta(ge=1, le=1000, description="Number of repetitions, each with other seeds")] = 1
    window: Annotated[int, Meta(ge=1, description="Number of events in the windowed error")] = 200
    horizon: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Most events after a drift in which recovery is scored")
    ] = 10_000
    detector: Annotated[
        DetectorName | None, Meta(description="Drift detector that watches the errors of each candidate")
    ] = None
    alarm_window: Annotated[
        int, Meta(ge=1, description="Number of events after a drift within which an alarm finds it")
    ] = 1000
    k: Annotated[int, Meta(ge=1, le=1000, description="Length of the recommendations that are scored")] = 10
    rank_every: Annotated[
        int, Meta(ge=1, description="Recommendations are scored at every n-th event of a stream of ratings")
    ] = 5
    liked_from: Annotated[
        float, Meta(description="Rating from which an item counts as chosen, for the scores of recommendations")
    ] = 0.5
    main_score: Annotated[str | None, Meta(description="Score that ranks the candidates; the kind's own if None")] = (
        None
    )
    fail_if: Annotated[tuple[str, ...], Meta(description="Bars, each what would be a failure: ``recovery > 500``")] = ()
    expected_failures: Mapping[str, str] = field(default_factory=dict)
    """Reasons why candidates miss a bar today, by name; a candidate that holds all bars after all is a failure too."""

    def __post_init__(self) -> None:
        super().__post_init__()
        everyone: dict[str, Learner | Peer] = {**self.candidates, **self.peers}
        for name, candidate in everyone.items():
            if candidate.input_kind not in (self.kind, "both"):
                raise ConfigError(
                    f"The candidate {name} learns {candidate.input_kind}, but the stream {self.stream.name} holds "
                    f"{self.kind}."
                )
        if twice := sorted(self.candidates.keys() & self.peers.keys()):
            raise ConfigError(f"{twice[0]!r} is the name of a candidate and of a peer.")
        for name in self.expected_failures:
            if name not in self.candidates:
                raise ConfigError(f"`expected_failures` names {name!r}: expected one of {', '.join(self.candidates)}.")

    @property
    def kind(self) -> Kind:
        """Shape of the events."""
        return self.stream.kind

    def transforms(self) -> list[Transform]:
        """Drifts and faults, from the innermost to the outermost."""
        return list(_transforms(self.stream))[::-1]

    def base(self) -> Source:
        """Source that the transforms wrap."""
        stream = self.stream
        while isinstance(stream, Transform):
            stream = stream.source
        return stream

    def marks(self) -> list[Mark]:
        """Places at which drifts and faults change the stream, in their order.

        Raises:
            ConfigError: If one lies behind the end, changes nothing, or two drifts of the same columns overlap.
        """
        marks = [(mark, transform) for transform in self.transforms() for mark in transform.marks()]
        marks.sort(key=lambda pair: (pair[0].start, pair[0].end))
        drifts = [(mark, transform) for mark, transform in marks if isinstance(transform, Drift)]
        for i, (first, one) in enumerate(drifts):
            for second, other in drifts[i + 1 :]:
                overlapping = second.start < first.end and other is not one
                if overlapping and (shared := one.touched() & other.touched()):
                    raise ConfigError(
                        f"The drifts {first.label} ({first.start} to {first.end}) and {second.label} (from "
                        f"{second.start}) overlap, and both change {min(shared)}.",
                        "Start the second after the end of the first.",
                    )
        return [mark for mark, _ in marks]

    def seeded(self, repetition: int) -> Self:
        """Return the scenario of a repetition: every seed of the stream and of the candidates is another one."""
        if repetition == 0:
            return self
        step = SEED_STEP * repetition
        return dataclasses.replace(
            self,
            stream=_reseeded(self.stream, step),
            candidates={name: _with_seed(learner, repetition) for name, learner in self.candidates.items()},
            peers={name: _with_seed(peer, repetition) for name, peer in self.peers.items()},
        )

    def with_seed(self, seed: int) -> Self:
        """Return the scenario with another seed, as if its file stated that one."""
        stream = _reseeded(self.stream, STAGE_SEEDS * (seed - self.seed))
        return dataclasses.replace(self, seed=seed, stream=stream)


def rebuilt(stream: Source, change: Any) -> Source:
    """Copy of a stack of transforms, from the source outwards.

    Args:
        stream: A source, or transforms around one.
        change: Function of each transform and the already rebuilt source below it, which returns its copy.
    """
    if isinstance(stream, Transform):
        below: Source = change(stream, rebuilt(stream.source, change))
        return below
    return stream


def _transforms(stream: Source) -> Iterator[Transform]:
    while isinstance(stream, Transform):
        yield stream
        stream = stream.source


def _reseeded(stream: Source, step: int) -> Source:
    if isinstance(stream, Transform):
        return dataclasses.replace(stream, source=_reseeded(stream.source, step), seed=(stream.seed + step) % 2**62)
    if "seed" in parameters(type(stream)):
        return dataclasses.replace(stream, seed=(stream.seed + step) % 2**62)  # type: ignore[attr-defined, call-arg]
    return stream


def _with_seed(candidate: Any, repetition: int) -> Any:
    if "seed" not in parameters(type(candidate)):
        return candidate
    if isinstance(candidate, Learner):
        return candidate.clone({"seed": candidate.seed + repetition})  # type: ignore[attr-defined]
    return dataclasses.replace(candidate, seed=candidate.seed + repetition)
