"""Scenario files: scenarios as TOML, read and written."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgedescent.config.building import build, check_keys, convert
from edgedescent.errors import ConfigError, ConfigFileError
from edgedescent.learners import Learner
from edgedescent.learners.description import describe
from edgedescent.registry import Registry
from edgedescent.validation import parameters
from edgedescent_sims.drift import DRIFTS
from edgedescent_sims.faults import FAULTS
from edgedescent_sims.peers import PEERS, Peer
from edgedescent_sims.scenarios.scenario import STAGE_SEEDS, Scenario
from edgedescent_sims.sources import SOURCES, Source
from edgedescent_sims.sources.base import Transform

_TABLES = ("source", "transforms", "candidates", "peers", "expected_failures")
_PLAIN = tuple(
    name for name in parameters(Scenario) if name not in ("stream", "candidates", "peers", "expected_failures")
)


def load_scenario(path: Path) -> Scenario:
    """Read a scenario file. Relative paths in its source are relative to the folder of the file.

    Raises:
        ConfigFileError: If something in it is wrong; the message starts with the path of the file.
        ConfigError: If the file, or something that it names, cannot be read.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}.", "Give the path of a scenario file.") from error
    except (ValueError, RecursionError) as error:
        raise ConfigFileError(f"{path}: not valid TOML: {error}.") from error
    try:
        scenario = scenario_of({"name": path.stem, **table}, path.parent)
        # A drift behind the end is found before anything runs.
        scenario.marks()
    except ConfigError as error:
        raise ConfigFileError(f"{path}: {error}", error.hint) from error
    return scenario


def scenario_of(table: Mapping[str, Any], folder: Path) -> Scenario:
    """Build a scenario from the table that its file holds.

    Args:
        table: The table.
        folder: Folder to which paths in it are relative.

    Raises:
        ConfigError: If a key or a value is wrong; names path, value and expected value.
    """
    check_keys(table, {name: name == "source" for name in (*_PLAIN, *_TABLES)}, "")
    kinds = {name: parameter.kind for name, parameter in parameters(Scenario).items()}
    plain = {name: convert(table[name], kinds[name], name) for name in _PLAIN if name in table}
    seed = plain.get("seed", 1)
    source = convert(table["source"], dict[str, Any], "source")
    if isinstance(source.get("path"), str):
        source = {**source, "path": str(folder / source["path"])}
    if "seed" in parameters(SOURCES.find(source.get("type"), "source.type")):
        source = {"seed": _seed_of_stage(seed, 0), **source}
    stream: Source = build(Source, source, "source", registry=SOURCES)  # type: ignore[type-abstract]
    for index, stage in enumerate(convert(table.get("transforms", []), list[Any], "transforms")):
        place = f"transforms[{index}]"
        stage_table = convert({"type": stage} if isinstance(stage, str) else stage, dict[str, Any], place)
        registry: Registry[Any] = FAULTS if stage_table.get("type") in FAULTS else _Transforms()
        # Two stages of one kind must not draw the same numbers.
        seeded = {"seed": _seed_of_stage(seed, index + 1), **stage_table}
        # The registry makes concrete ones.
        stream = build(Transform, seeded, place, registry=registry, given={"source": stream})  # type: ignore[type-abstract]
    candidates = {
        name: build(Learner, each, f"candidates.{name}")
        for name, each in convert(table.get("candidates", {}), dict[str, Any], "candidates").items()
    }
    try:
        return Scenario(
            stream=stream,
            candidates=candidates,
            peers=_peers(table.get("peers", [])),
            expected_failures=convert(table.get("expected_failures", {}), dict[str, str], "expected_failures"),
            **plain,
        )
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _seed_of_stage(seed: int, index: int) -> int:
    return seed * STAGE_SEEDS + index


class _Transforms(Registry[Any]):
    """Drifts and faults together, so that an unknown name gets the near matches of both."""

    def __init__(self) -> None:
        super().__init__("drift or fault", DRIFTS.group)

    def __iter__(self) -> Any:
        return iter((*DRIFTS, *FAULTS))

    def find(self, name: object, path: str) -> Any:
        """Drift or fault of this name."""
        if isinstance(name, str) and name in DRIFTS:
            return DRIFTS.find(name, path)
        return super().find(name, path)


def _peers(listed: Any) -> dict[str, Peer]:
    peers: dict[str, Peer] = {}
    for index, table in enumerate(convert(listed, list[Any], "peers")):
        place = f"peers[{index}]"
        stated = dict(convert({"type": table} if isinstance(table, str) else table, dict[str, Any], place))
        name = convert(stated.pop("name", stated.get("type", "")), str, f"{place}.name")
        if name in peers:
            raise ConfigError(f"`{place}` is a second peer named {name!r}.", "Give it another `name`.")
        peers[name] = build(Peer, stated, place, registry=PEERS)  # type: ignore[type-abstract]
    return peers


def table_of(scenario: Scenario) -> dict[str, Any]:
    """Table from which `scenario_of` builds an equal scenario; values that are the defaults are left out."""
    table = {
        name: _value(getattr(scenario, name))
        for name in _PLAIN
        if getattr(scenario, name) != parameters(Scenario)[name].default
    }
    table["source"] = _stage(scenario.base())
    if transforms := scenario.transforms():
        table["transforms"] = [_stage(transform) for transform in transforms]
    table["candidates"] = {name: changed(candidate) for name, candidate in scenario.candidates.items()}
    table["peers"] = [
        changed(peer) | ({} if name == type(peer).__name__ else {"name": name}) for name, peer in scenario.peers.items()
    ]
    table["expected_failures"] = dict(scenario.expected_failures)
    return {name: value for name, value in table.items() if value not in ({}, [])}


def _stage(stage: Source) -> dict[str, Any]:
    """Table of a source or transform with its seed, because a file that states none has another one for each stage."""
    seeded = {"seed": stage.seed} if "seed" in parameters(type(stage)) else {}  # type: ignore[attr-defined]
    return changed(stage) | seeded


def changed(thing: Any) -> dict[str, Any]:
    """Table of a declared object: its type, and the parameters that are not the defaults.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> changed(LinearRegressor(l2=0.1))
        {'type': 'LinearRegressor', 'l2': 0.1}
    """
    if isinstance(thing, Learner) and not parameters(type(thing)):
        # A learner of another library declares none, but has the arguments of its constructor.
        return describe(thing)
    table: dict[str, Any] = {"type": type(thing).__name__}
    for name, parameter in parameters(type(thing)).items():
        value = getattr(thing, name)
        if value is not None and value != parameter.default and not isinstance(value, Source):
            table[name] = _value(value)
    return table


def _value(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_value(item) for item in value]
    return changed(value) if parameters(type(value)) else value


def save_scenario(scenario: Scenario, path: Path) -> None:
    """Write a scenario as a TOML file, from which `load_scenario` makes an equal one.

    A relative path in its source becomes relative to the folder of the file.

    Raises:
        ConfigError: If the file cannot be written.
    """
    table = table_of(scenario)
    if isinstance(source := table["source"].get("path"), str) and not Path(source).is_absolute():
        table["source"]["path"] = os.path.relpath(source, path.parent)
    try:
        path.write_text(_dumps(table), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}.", "Give a path that can be written.") from error


def to_toml(scenario: Scenario) -> str:
    """Text of the file of a scenario."""
    return _dumps(table_of(scenario))


def _dumps(table: Mapping[str, Any]) -> str:
    try:
        import tomli_w
    except ImportError as error:
        raise ConfigError("tomli-w is not installed.", "Run: pip install 'edgedescent[simulate]'") from error
    return tomli_w.dumps(table)
