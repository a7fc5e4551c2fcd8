"""Settings that decide what the engine does with a message, apart from its learner."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from edgedescent.assembly import AssemblySettings
from edgedescent.drift import DETECTORS, Detector
from edgedescent.errors import ConfigError
from edgedescent.formats import FORMATS


class DriftSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the drift monitor, which watches the prediction error and the inputs."""

    detector: dict[str, Any]
    """Type and all parameters of the detector."""
    inputs_max: int
    """Number of inputs that are watched."""

    def build_detector(self) -> Detector:
        """Make the detector.

        Raises:
            ConfigError: If there is none of this name, or it does not take these parameters.
        """
        parameters = dict(self.detector)
        kind = DETECTORS.find(parameters.pop("type", None), "drift.detector.type")
        try:
            return kind(**parameters)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"`drift.detector`: {error}") from error


class RecommendSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the recommendations: who gets them, when, and how they are scored."""

    topic: str
    """Topic of the requests."""
    k: int = 10
    """Number of items of a list, where a request does not say another."""
    after: Literal["event"] | None = None
    """``event`` makes a list for the user of each learned event."""
    exclude_seen: bool = False
    """True to leave out what the user had lately, where a request does not say otherwise."""
    retain: bool = False
    """True if the list after an event is retained on a topic of its user, instead of one for all."""
    score_every: int = 5
    """Number of choices of which one is scored; 0 for none."""
    likes_from: float | None = None
    """Label from which on an event counts as a choice; None for all labels above 0."""
    attributes: bool = False
    """True to add the attributes of the items to a list, where a request does not say otherwise."""
    attributes_max: int = 10_000
    """Number of items whose attributes are kept."""
    category: str | None = None
    """Attribute of the items that says their category, or a list of these; None for no diversity."""
    per_category: int | None = None
    """Largest number of items of a category in a list; None for no cap."""
    diversity: float = 0.0
    """Weight of the difference from the items before in a list, from 0 to 1."""


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments of an engine, as a state keeps them: recovery must treat each message as it was treated before."""

    format: str = "json"
    """Name of the payload format."""
    dedup_window: int = 65_536
    id_scope: Literal["topic", "device"] = "topic"
    reused_ids: Literal["learn", "drop"] = "learn"
    redelivery_window: int = 4096
    payload_bytes_max: int = 1_048_576
    events_per_message_max: int = 10_000
    quarantine: bool = True
    interval: float | None = None
    """Level of the prediction intervals of the answers; None for answers without them."""
    drift: DriftSettings | None = None
    """Settings of the drift monitor; None where there is none."""
    assembly: AssemblySettings | None = None
    """Settings of the assembler of the inputs; None where messages hold whole events."""
    recommend: RecommendSettings | None = None
    """Settings of the recommendations; None where nothing is recommended."""

    def options(self) -> dict[str, Any]:
        """Arguments of `Engine` and of `Engine.configure`.

        Raises:
            ConfigError: If there is no payload format or no detector of that name.
        """
        options = msgspec.structs.asdict(self)
        name, drift = options.pop("format"), options.pop("drift")
        if drift is not None:
            options |= {"detector": drift.build_detector(), "watched_inputs_max": drift.inputs_max}
        return {"payload_format": FORMATS.find(name, "topics.format"), **options}

    def changes_since(self, earlier: EngineSettings) -> str:
        """Text that lists what differs from earlier settings.

        Example:
            >>> EngineSettings(dedup_window=9).changes_since(EngineSettings())
            'dedup_window: 65536 before, 9 now'
        """
        before, now = msgspec.structs.asdict(earlier), msgspec.structs.asdict(self)
        if before.pop("assembly") != now.pop("assembly"):
            # They are long, and begin anew.
            before["inputs"], now["inputs"] = "others", "these"
        changed = [f"{name}: {before[name]!r} before, {now[name]!r} now" for name in now if before[name] != now[name]]
        return "; ".join([*changed, *self.changed_models(earlier)])

    @property
    def horizons(self) -> tuple[float | None, ...]:
        """Horizon of each model; None alone where there are no forecasts."""
        return (None,) if self.assembly is None else self.assembly.label.horizons

    def changed_models(self, earlier: EngineSettings) -> list[str]:
        """Texts that list which models of several go on, begin and end: see `Heads.take_horizons`."""
        old, new = earlier.horizons, self.horizons
        if old == new or len(old) == len(new) == 1:
            return []
        groups = {
            "goes on": [horizon for horizon in new if horizon in old],
            "begins untrained": [horizon for horizon in new if horizon not in old],
            "ends": [horizon for horizon in old if horizon not in new],
        }
        return [
            f"the model for {'labels that are no forecasts' if horizon is None else f'{horizon:g} s ahead'} {what}"
            for what, horizons in groups.items()
            for horizon in horizons
        ]
