"""Next choices among the first ten recommended: EdgeDescent beside popularity, neighbours, River and implicit."""

from __future__ import annotations

import json
import math
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from harness import columns, command_line, environment
from rankers import ENTRIES, Entry

from edgedescent.errors import ConfigError
from edgedescent.evaluation.ranking import RankingScores
from edgedescent_sims.sources.ratings import RatingsSource

K = 10
Choice = tuple[str, str]


@dataclass(frozen=True)
class Row:
    """Scores and cost of a contestant on a stream."""

    name: str
    role: str
    recall: float
    ndcg: float
    coverage: float
    learn_us: float
    """Processor time of one learned choice."""
    recommend_us: float
    """Processor time of one recommendation."""


def choices_of(path: Path, likes_from: float, limit: int | None) -> list[Choice]:
    """The likes of a file of ratings, in time order."""
    source = RatingsSource(str(path), likes_from=likes_from, limit=limit)
    return [(str(event["user"]), str(event["item"])) for event in source.events()]


def run(entry: Entry, choices: Sequence[Choice], first: int, every: int) -> Row:
    """Rank all items that the user has not had before every n-th choice from `first` on, then learn it."""
    model, scores = entry.make(), RankingScores(k=K)
    had: defaultdict[str, dict[str, None]] = defaultdict(dict)
    learned = ranked = 0.0
    n_ranked = 0
    for n, (user, item) in enumerate(choices):
        if n >= first and n % every == 0:
            start = time.process_time()
            best = model.best(user, list(had[user]), K)
            ranked += time.process_time() - start
            n_ranked += 1
            scores.update(best, item)
        start = time.process_time()
        model.learn(user, item)
        learned += time.process_time() - start
        had[user][item] = None
    found = scores.summary()
    return Row(
        entry.name,
        entry.role,
        found["recall"],
        found["ndcg"],
        found["coverage"],
        learned * 1e6 / len(choices),
        ranked * 1e6 / n_ranked,
    )


def measure(entries: Sequence[Entry], choices: Sequence[Choice], first: int, every: int) -> Iterator[Row]:
    """Yield the row of each contestant."""
    for number, entry in enumerate(entries, start=1):
        if sys.stderr.isatty():
            click.echo(f"\r\33[K{number} of {len(entries)}: {entry.name}", err=True, nl=False)
        yield run(entry, choices, first, every)
    if sys.stderr.isatty():
        click.echo("\r\33[K", err=True, nl=False)


def ratios(rows: Sequence[Row]) -> dict[str, float]:
    """Recall and NDCG of ours over those of the best contestant that is not ours."""
    ours = next((row for row in rows if row.role == "ours"), None)
    others = [row for row in rows if row.role not in ("ours", "part")]
    if ours is None or not others:
        return {}
    best = {"recall": max(row.recall for row in others), "ndcg": max(row.ndcg for row in others)}
    return {name: getattr(ours, name) / value for name, value in best.items() if value and math.isfinite(value)}


def as_table(rows: Sequence[Row]) -> str:
    """Lay out the rows for people, the best first."""
    lines = [
        ("", "recall@10", "NDCG@10", "coverage", "learn, µs", "recommend, µs"),
        *(
            (row.name, f"{row.recall:.4f}", f"{row.ndcg:.4f}", f"{row.coverage:.3f}", f"{row.learn_us:.1f}",
             f"{row.recommend_us:.0f}")
            for row in sorted(rows, key=lambda row: -row.ndcg)
        ),
    ]  # fmt: skip
    return columns(lines, text=range(1))


@click.command(epilog="Example: python bench/recommend.py ratings.dat.gz --likes-from 7")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--likes-from", type=float, required=True, help="Least rating that counts as a choice.")
@click.option("--first", type=click.IntRange(min=1), default=10_000, show_default=True, help="First choice scored.")
@click.option("--every", type=click.IntRange(min=1), default=5, show_default=True, help="Score every n-th choice.")
@click.option("--limit", type=click.IntRange(min=2), help="Only that many choices.")
@click.option("--only", default="", help="Only the contestants whose name holds this text.")
@click.option("--json", "json_", is_flag=True, help="One line of JSON instead of a table.")
def main(path: Path, likes_from: float, first: int, every: int, limit: int | None, only: str, json_: bool) -> None:
    """Recommend before every n-th choice of a stream of ratings, and learn each choice.

    PATH is a file of ratings: lines user::item::rating::time, or a CSV file with such columns. All contestants rank all
    items that the user has not had. Popularity and neighbours are the baselines; models of implicit are fitted anew
    every 1,000 choices. Takes a quarter of an hour on 70,000 choices.
    """
    try:
        choices = choices_of(path, likes_from, limit)
    except ConfigError as error:
        raise click.ClickException(f"{error} {error.hint or ''}".strip()) from error
    if len(choices) <= first:
        raise click.ClickException(f"{path} holds {len(choices)} choices: --first must be below that. Got {first}.")
    named = [entry for entry in ENTRIES if only.lower() in entry.name.lower()]
    skipped = {entry.name: reason for entry in named if (reason := entry.why_not())}
    chosen = [entry for entry in named if entry.name not in skipped]
    if not chosen:
        raise click.ClickException(f"No contestant that can run holds {only!r}: {', '.join(e.name for e in ENTRIES)}.")
    rows = list(measure(chosen, choices, first, every))
    over, ran_on = ratios(rows), environment(("edgedescent", "numpy", "river", "implicit"))
    if json_:
        answer = {
            "ran_on": ran_on,
            "again": command_line(),
            "choices": len(choices),
            "skipped": skipped,
            "over_best": over,
            "rows": [asdict(row) for row in rows],
        }
        click.echo(json.dumps(answer, ensure_ascii=False))
        return
    click.echo(as_table(rows))
    for name, reason in skipped.items():
        click.echo(f"{name}: skipped, because {reason}.")
    if over:
        said = " and ".join(f"{value:.3f} times the best other {name}" for name, value in over.items())
        click.echo(f"AutoRanker: {said}")
    click.echo(f"{path.name}: {len(choices):,} choices, of which every {every}. from {first:,} on was recommended for")
    click.echo("ran on: " + ", ".join(f"{name} {value}" for name, value in ran_on.items()))
    click.echo(f"again: {command_line()}")


if __name__ == "__main__":
    main()
