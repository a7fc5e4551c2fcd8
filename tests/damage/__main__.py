"""Command line of the damage campaign."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import click
import msgspec

from damage.campaign import Outcome, examine, to_line
from damage.lives import LEARNERS


def command(outcome: Outcome, seed: int) -> str:
    """Command that repeats one fault and prints what happened."""
    return (
        f"PYTHONPATH=tests:sims python -m damage --learner {outcome.learner} --first {outcome.number} --faults 1 "
        f"--seed {seed} --verbose"
    )


def _examine(task: tuple[str, int, int, int]) -> Outcome:
    return examine(*task)


@click.command()
@click.option("--learner", "learners", multiple=True, type=click.Choice(LEARNERS), help="Only this one.")
@click.option("--faults", type=click.IntRange(min=1), default=3000, show_default=True, help="Faults for each learner.")
@click.option("--first", type=int, default=0, show_default=True, help="Number of the first one.")
@click.option("--seed", type=int, default=0, show_default=True, help="Other faults of the same numbers.")
@click.option("--jobs", type=click.IntRange(min=1), help="Number of processes.  [default: one per processor]")
@click.option(
    "--exports", type=click.IntRange(min=1), default=50, show_default=True, help="Export after one in so many."
)
@click.option(
    "--log", type=click.Path(dir_okay=False, path_type=Path), help="Outcomes; those it holds are not repeated."
)
@click.option("--verbose", is_flag=True, help="Print each outcome.")
def main(
    learners: tuple[str, ...],
    faults: int,
    first: int,
    seed: int,
    jobs: int | None,
    exports: int,
    log: Path | None,
    verbose: bool,
) -> None:
    """Damage state folders of each learner, and examine the daemon and every command on them.

    Exits with 1 if one shows a stack trace, hangs, or loses something without a word.
    """
    known = _read(log)
    done = {(outcome.learner, outcome.number) for outcome in known}
    tasks = [
        (learner, number, seed, exports)
        for learner in learners or LEARNERS
        for number in range(first, first + faults)
        if (learner, number) not in done
    ]
    outcomes = [*known]
    started = reported = time.monotonic()
    processes = min(jobs or os.cpu_count() or 1, len(tasks)) or 1
    with multiprocessing.Pool(processes) as pool:
        found: Iterable[Outcome] = (
            pool.imap_unordered(_examine, tasks, chunksize=5) if processes > 1 else map(_examine, tasks)
        )
        for count, outcome in enumerate(found, start=1):
            outcomes.append(outcome)
            if log is not None:
                with log.open("a", encoding="utf-8") as file:
                    file.write(to_line(outcome) + "\n")
            if verbose:
                click.echo(msgspec.json.format(msgspec.json.encode(outcome)).decode())
            for violation in outcome.violations:
                click.echo(
                    f"{outcome.learner} {outcome.number} ({' and '.join(outcome.faults)}): {violation}", err=True
                )
                click.echo(f"  Reproduce it with: {command(outcome, seed)}", err=True)
            now = time.monotonic()
            if now - reported > 15 or count == len(tasks):
                reported, rate = now, count / (now - started)
                click.echo(
                    f"{count} of {len(tasks)}, {rate:.0f} a second, {(len(tasks) - count) / rate:.0f} s left", err=True
                )
    _print(outcomes)
    sys.exit(1 if any(outcome.violations for outcome in outcomes) else 0)


def _read(log: Path | None) -> list[Outcome]:
    if log is None or not log.exists():
        return []
    return [msgspec.json.decode(line, type=Outcome) for line in log.read_text(encoding="utf-8").splitlines()]


def _print(outcomes: list[Outcome]) -> None:
    kinds = Counter(fault.split()[0] for outcome in outcomes for fault in outcome.faults)
    click.echo(f"Faults: {', '.join(f'{n} {kind}' for kind, n in kinds.most_common())}.")
    for way in dict.fromkeys(way for outcome in outcomes for way in outcome.verdicts):
        counts = Counter(outcome.verdicts[way].partition(":")[0] for outcome in outcomes if way in outcome.verdicts)
        click.echo(f"  {way}: {', '.join(f'{n} {verdict}' for verdict, n in counts.most_common())}")
    broken = [outcome for outcome in outcomes if outcome.violations]
    for learner in dict.fromkeys(outcome.learner for outcome in outcomes):
        of = [outcome for outcome in outcomes if outcome.learner == learner]
        click.echo(f"  {learner}: {len(of)} faults, {sum(bool(o.violations) for o in of)} with violations")
    click.echo(f"{len(outcomes)} faults, {len(broken)} with violations.")


if __name__ == "__main__":
    main()
