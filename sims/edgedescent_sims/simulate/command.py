"""The command `edgedescent simulate`: candidates on scenarios, recorded data or a device's journal."""

from __future__ import annotations

import dataclasses
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgedescent.console.options import JSON, SETTINGS, Number, example
from edgedescent.errors import ConfigError
from edgedescent_sims.options import COUNT_MAX, DROP, names

if TYPE_CHECKING:
    from edgedescent.config import Config
    from edgedescent_sims.result import SimulationResult, Timing
    from edgedescent_sims.scenarios.scenario import Scenario

_TOML = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    context_settings=SETTINGS,
    epilog=example(
        "edgedescent simulate --list",
        "edgedescent simulate sign-flip resting-sensor",
        "edgedescent simulate --all",
        "edgedescent simulate hour.csv.gz --target cnt --drop casual,registered",
        "edgedescent simulate my-scenario.toml --seeds 5 --fail-if 'recovery > 500'",
        "edgedescent simulate --journal device.toml --against candidate.toml --fail-if 'mae > 0.5'",
    ),
)
@click.argument("what", nargs=-1)
@click.option("--all", "run_all", is_flag=True, help="Run every scenario of the library.")
@click.option("--list", "list_all", is_flag=True, help="List the scenarios of the library and end.")
@click.option(
    "--journal",
    type=click.Path(exists=True, path_type=Path),
    help="Configuration, state folder or recording of a device: run what it received.",
)
@click.option(
    "--against", multiple=True, type=_TOML, help="Configuration whose [learner] is a candidate; can be repeated."
)
@click.option(
    "--learner",
    "learners",
    multiple=True,
    callback=names,
    metavar="NAME,…",
    help="Learners, with their defaults, that are candidates.",
)
@click.option("--peers", multiple=True, callback=names, metavar="NAME,…", help="Peers in the same run.")
@click.option("--target", metavar="COLUMN", help="The column of a data file to predict.")
@DROP
@click.option("--limit", type=click.IntRange(2, COUNT_MAX), help="Read at most this many events of a data file.")
@click.option("--seed", type=click.IntRange(0, 2**31), help="Seed of the scenario instead of its own.")
@click.option("--seeds", type=click.IntRange(1, 1000), help="Number of repetitions, for intervals.")
@click.option(
    "--fail-if",
    multiple=True,
    metavar="BAR",
    help="End with 1 if a score of a candidate is like this: 'recovery > 500'.",
)
@click.option(
    "--compare", "baseline", type=_TOML, help="JSON of an earlier result: end with 1 if a candidate is worse."
)
@click.option(
    "--tolerance",
    type=Number(min=0),
    default=0.02,
    show_default=True,
    help="Relative difference that --compare lets pass.",
)
@click.option("--jobs", type=click.IntRange(1, 256), help="Number of processes.  [default: one a core]")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("edgedescent-simulation"),
    show_default=True,
    help="Folder for the JSON, the tables and the report.",
)
@click.option(
    "--save",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the scenario to a file that can be edited, and end.",
)
@JSON
def simulate(
    *,
    what: tuple[str, ...],
    run_all: bool,
    list_all: bool,
    journal: Path | None,
    against: tuple[Path, ...],
    baseline: Path | None,
    tolerance: float,
    jobs: int | None,
    out: Path,
    save: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Rehearse learners before they are trusted with a device.

    WHAT is scenarios of the library by name, scenario files, or one data file: a CSV or Parquet file, ratings, a
    recording, or a River data set. Each event is predicted, then learned; the candidates are scored and compared.

    With --journal and the configuration of a device, running or not, everything it received is processed again: as it
    was, which gives the error that it reported to the last bit, and with each configuration of --against. Its state
    folder and a recording by `edgedescent journal export` have no configuration: all candidates come from --against.
    """
    # Imported here so that `edgedescent --help`, which loads this module, stays quick.
    from edgedescent_sims.simulate import output

    if list_all:
        output.print_library(as_json=as_json)
        return
    if journal is not None:
        if what or run_all or save is not None:
            raise click.UsageError("--journal is run alone: leave out scenarios, data files and --save.")
        _refuse_for_journal(options)
        results, timings = _rehearse(journal, _configs(against), options["fail_if"], jobs or os.cpu_count() or 1)
    else:
        scenarios = _scenarios(what, run_all=run_all, against=against, options=options)
        if save is not None:
            _save(scenarios, save)
            return
        results, timings = _run(scenarios, jobs or os.cpu_count() or 1)
    output.write(results, timings, out)
    output.conclude(results, timings, out, as_json=as_json)
    worse = output.print_comparison(results, baseline, tolerance, quiet=as_json) if baseline is not None else False
    if worse or any(result.failures for result in results):
        raise click.exceptions.Exit(1)


def _save(scenarios: Sequence[Scenario], path: Path) -> None:
    from edgedescent_sims.scenarios.files import save_scenario

    if len(scenarios) != 1:
        raise click.UsageError("--save writes one scenario.")
    save_scenario(scenarios[0], path)
    click.echo(f"Wrote {path}. Run it with: edgedescent simulate {shlex.quote(str(path))}")


def _scenarios(
    what: Sequence[str], *, run_all: bool, against: Sequence[Path], options: dict[str, Any]
) -> list[Scenario]:
    from edgedescent_sims.scenarios import library
    from edgedescent_sims.scenarios.files import load_scenario

    if run_all and what:
        raise click.UsageError("Give scenarios or --all, not both.")
    if not run_all and not what:
        raise click.UsageError("Give a scenario, a data file or --all; --list shows the scenarios.")
    if run_all:
        scenarios = [library.load(name) for name in library.names()]
    elif all(each.endswith(".toml") or library.has(each) for each in what):
        scenarios = [load_scenario(Path(each)) if each.endswith(".toml") else library.load(each) for each in what]
    elif len(what) == 1:
        scenarios = [_of_data(what[0], options)]
    else:
        unknown = next(each for each in what if not each.endswith(".toml") and not library.has(each))
        raise library.unknown(unknown)
    return [_changed(scenario, against, options) for scenario in scenarios]


def _of_data(spec: str, options: dict[str, Any]) -> Scenario:
    """Scenario of a data file: our learners with their defaults beside simple baselines."""
    from edgedescent.validation import parameters
    from edgedescent_sims.scenarios import library
    from edgedescent_sims.scenarios.data import scenario_of_data
    from edgedescent_sims.sources import open_source

    if not Path(spec).exists() and Path(spec).name == spec and not library.has(spec):
        # Neither a file nor a scenario: perhaps a River data set, else a slip of the pen.
        try:
            source = open_source(spec, notify=_notify)
        except ConfigError as error:
            raise library.unknown(spec) from error
    else:
        source = open_source(spec, target=options["target"], drop=options["drop"], notify=_notify)
    if options["limit"] is not None:
        if "limit" not in parameters(type(source)):
            raise ConfigError(f"--limit does not apply to {spec}.", "A generator has `n_events` in a scenario file.")
        source = dataclasses.replace(source, limit=options["limit"])  # type: ignore[call-arg]
    return scenario_of_data(source)


def _changed(scenario: Scenario, against: Sequence[Path], options: dict[str, Any]) -> Scenario:
    """The scenario with what the options state."""
    from edgedescent.learners import LEARNERS
    from edgedescent_sims.peers import PEERS

    changes: dict[str, Any] = {}
    candidates = {name: LEARNERS.find(name, "--learner")() for name in options["learners"]}
    candidates |= {name: config.build_learner() for name, config in _configs(against).items()}
    if candidates:
        changes |= {"candidates": candidates, "expected_failures": {}}
    if options["peers"]:
        changes["peers"] = {name: PEERS.find(name, "--peers")() for name in options["peers"]}
    if options["seeds"] is not None:
        changes["n_seeds"] = options["seeds"]
    if options["fail_if"]:
        changes |= {"fail_if": tuple(options["fail_if"]), "expected_failures": {}}
    changed = dataclasses.replace(scenario, **changes) if changes else scenario
    return changed.with_seed(options["seed"]) if options["seed"] is not None else changed


def _configs(against: Sequence[Path]) -> dict[str, Config]:
    from edgedescent import config as configuration

    configs = {}
    for path in against:
        name = path.stem if path.stem not in configs else str(path)
        configs[name] = configuration.load(path)
    return configs


def _run(scenarios: Sequence[Scenario], jobs: int) -> tuple[list[SimulationResult], dict[str, list[Timing]]]:
    from edgedescent_sims.simulate import runner
    from edgedescent_sims.simulate.jobs import jobs_of
    from edgedescent_sims.simulate.progress import progress

    results, timings = [], {}
    commands = [_command_of(scenario.name) for scenario in scenarios]
    with progress(jobs_of(scenarios)) as on_progress:
        for result, timing in runner.simulate(scenarios, jobs=jobs, commands=commands, on_progress=on_progress):
            results.append(result)
            timings[result.name] = timing
    return results, timings


def _refuse_for_journal(options: dict[str, Any]) -> None:
    """Refuse options that say something about a stream which a journal already decides."""
    for name in ("learners", "peers", "target", "drop", "limit", "seed", "seeds"):
        if options[name] not in (None, []):
            option = name.removesuffix("s") if name == "learners" else name
            raise click.UsageError(f"--{option} does not apply to --journal.")


def _rehearse(
    path: Path, against: dict[str, Config], fail_if: Sequence[str], jobs: int
) -> tuple[list[SimulationResult], dict[str, list[Timing]]]:
    from edgedescent.console.terminal import Progress
    from edgedescent_sims.simulate.journals import open_journal
    from edgedescent_sims.simulate.rehearsal import AS_RUN, rehearse

    journal = open_journal(path)
    with Progress("rehearse", "messages") as bar:
        rehearsal = rehearse(journal, against, jobs=jobs, fail_if=fail_if, command=_command(), on_progress=bar.update)
    for notice in rehearsal.notices:
        _notify(notice)
    if rehearsal.agrees:
        _notify(f"{AS_RUN!r} equals the device's checkpoint at message {rehearsal.verified_at}, bit for bit.")
    return [rehearsal.result], {rehearsal.result.name: rehearsal.timings}


def _command() -> str:
    """Command line that repeats this run."""
    return shlex.join(["edgedescent", *sys.argv[1:]])


def _command_of(scenario: str) -> str:
    """Command line that repeats one scenario of this run."""
    return shlex.join(["edgedescent", *(scenario if word == "--all" else word for word in sys.argv[1:])])


def _notify(text: str) -> None:
    click.echo(text, err=True)
