"""Definition of a sweep: what a sweep file states, read and checked before anything runs."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta

from edgedescent.config.building import build, check_keys, convert
from edgedescent.errors import ConfigError, ConfigFileError
from edgedescent.learners import Learner
from edgedescent.validation import Declared, parameters
from edgedescent_sims.scenarios import library
from edgedescent_sims.scenarios.files import load_scenario, table_of
from edgedescent_sims.scenarios.scenario import Scenario
from edgedescent_sims.sweep.jobs import checksum_of_data, scenario_table, with_candidate
from edgedescent_sims.sweep.search import METHODS, Search
from edgedescent_sims.sweep.space import SearchSpace

RUNS_MAX = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Sweep(Declared):
    """Configurations of learners, run on scenarios and seeds.

    The defaults of each learner are run too, whatever the search proposes: what a search gains is told against them.

    Raises:
        ValueError: If a parameter is out of its range.
        ConfigError: If the number of configurations is missing, or is given for a grid.
    """

    scenarios: Mapping[str, Mapping[str, Any]]
    """Tables of the scenarios by name, without candidates."""
    learners: tuple[SearchSpace, ...]
    """Learners, each with what is searched."""
    seeds: Annotated[int, Meta(ge=1, le=1000, description="Number of repetitions, each with other seeds")] = 1
    method: Annotated[Literal["grid", "random", "optuna"], Meta(description="How configurations are chosen")] = "random"
    n_configurations: Annotated[
        int | None, Meta(ge=1, le=1_000_000, description="Number of configurations of each learner; a grid has its own")
    ] = None
    generation: Annotated[
        int, Meta(ge=1, le=10_000, description="Number of configurations that Optuna proposes at a time")
    ] = 10
    seed: Annotated[int, Meta(ge=0, le=2**31, description="Seed of the search")] = 1
    score: Annotated[str, Meta(description="Score that ranks the configurations")] = "mae"
    jobs: Annotated[int | None, Meta(ge=1, le=1024, description="Number of processes; one a core if None")] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.scenarios:
            raise ConfigError(
                "`scenarios` is empty: expected at least one.", "See them with: edgedescent simulate --list"
            )
        if not self.learners:
            raise ConfigError("There is no learner to sweep.", "Add a table [learner].")
        if METHODS[self.method].needs_number and self.n_configurations is None:
            raise ConfigError(f"`n_configurations` is missing, which the method {self.method!r} needs.")
        if not METHODS[self.method].needs_number and self.n_configurations is not None:
            raise ConfigError("`n_configurations` is stated, but a grid runs every combination.", "Leave it out.")
        if self.method == "grid":
            for space in self.learners:
                space.require_grid()
        if self.n_runs > RUNS_MAX:
            raise ConfigError(
                f"The sweep has {self.n_runs:,} runs: expected at most {RUNS_MAX:,}.",
                "Search by random or optuna, or state fewer values.",
            )

    @property
    def n_runs(self) -> int:
        """Number of runs, if no configuration is proposed twice; those of the defaults included."""
        each = [self.n_configurations or space.grid_size() for space in self.learners]
        return (sum(each) + len(self.learners)) * self.n_blocks

    @property
    def n_blocks(self) -> int:
        """Number of runs of one configuration."""
        return len(self.scenarios) * self.seeds

    def searches(self) -> list[Search]:
        """Searches of the learners, at their start."""
        kind = METHODS[self.method].search
        return [
            kind(space, self.n_configurations or 0, seed=self.seed, size=self.generation) for space in self.learners
        ]


_PLAIN = tuple(name for name in parameters(Sweep) if name not in ("scenarios", "learners"))


def load_sweep(path: Path) -> Sweep:
    """Read a sweep file. Paths of scenarios in it are relative to the folder of the file.

    Raises:
        ConfigFileError: If something in it is wrong; the message starts with the path of the file.
        ConfigError: If the file cannot be read.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}.", "Give the path of a sweep file.") from error
    except (ValueError, RecursionError) as error:
        raise ConfigFileError(f"{path}: not valid TOML: {error}.") from error
    try:
        return sweep_of(table, path.parent)
    except ConfigError as error:
        raise ConfigFileError(f"{path}: {error}", error.hint) from error


def sweep_of(table: Mapping[str, Any], folder: Path = Path()) -> Sweep:
    """Build a sweep from the table that its file holds, in which scenarios can be objects too.

    Args:
        table: The table: ``scenarios``, ``learner`` or a list of ``learners``, and parameters of `Sweep`.
        folder: Folder to which paths in it are relative.

    Raises:
        ConfigError: If a key or a value is wrong, a scenario cannot be, or a learner cannot learn what it holds.
    """
    check_keys(table, {"scenarios": True, "learner": False, "learners": False, **dict.fromkeys(_PLAIN, False)}, "")
    kinds = {name: parameter.kind for name, parameter in parameters(Sweep).items()}
    plain = {name: convert(table[name], kinds[name], name) for name in _PLAIN if name in table}
    spaces = _learners(table)
    scenarios: dict[str, Mapping[str, Any]] = {}
    listed = [table["scenarios"]] if isinstance(table["scenarios"], str) else table["scenarios"]
    for index, each in enumerate(convert(listed, list[Any], "scenarios")):
        scenario = _scenario(each, folder.resolve(), f"scenarios[{index}]")
        if scenario.name in scenarios:
            raise ConfigError(f"`scenarios[{index}]` is a second scenario named {scenario.name!r}.", "Rename one.")
        scenario.marks()
        for space in spaces:
            with_candidate(scenario, build(Learner, space.first(), "learner"))
        scenarios[scenario.name] = scenario_table(table_of(scenario))
    try:
        return Sweep(scenarios=scenarios, learners=tuple(spaces), **plain)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _learners(table: Mapping[str, Any]) -> Sequence[SearchSpace]:
    if ("learner" in table) == ("learners" in table):
        raise ConfigError("Expected either a table [learner], or several [[learners]].")
    if "learner" in table:
        return [SearchSpace.of(table["learner"], "learner")]
    listed = convert(table["learners"], list[Any], "learners")
    return [SearchSpace.of(each, f"learners[{index}]") for index, each in enumerate(listed)]


def _scenario(stated: Any, folder: Path, path: str) -> Scenario:
    if isinstance(stated, Scenario):
        return stated
    name = convert(stated, str, path)
    return load_scenario(folder / name) if name.endswith(".toml") else library.load(name)


def checksums(sweep: Sweep) -> dict[str, str]:
    """Checksums of the data of the scenarios, by the scenario's name."""
    return {name: checksum_of_data(table) for name, table in sweep.scenarios.items()}
