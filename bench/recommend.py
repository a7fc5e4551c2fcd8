"""Next choices among the first ten recommended, and ratings predicted: EdgeDescent beside its peers."""

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
from raters import RATERS, Rater, RatingRow, below_best, predict_all, rating_table, streams_of

from edgedescent.errors import ConfigError
from edgedescent.evaluation.ranking import RankingScores
from edgedescent_sims.sources.ratings import RatingsSource

K = 10
Choice = tuple[str, str]
PUBLISHED = (
    "published by others, of a protocol of their own: Gorse's tests expect NDCG@10 of 0.36 of its BPR and ALS with 8\n"
    "factors on MovieLens 1M, whose held-out items are ranked among 100 sampled ones; chance finds 0.045 there:\n"
    "https://github.com/gorse-io/gorse/blob/master/model/cf/model_test.go"
)
"""Figure of another project, which is cited beside: here all items are ranked, in time order."""


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


@dataclass(frozen=True)
class Results:
    """Results of a run: the rows of all tables, and the contestants that were left out."""

    rows: list[Row]
    rating_rows: dict[str, list[RatingRow]]
    """Rows by stream of ratings."""
    skipped: dict[str, str]
    n_choices: int
    n_ratings: dict[str, int]


def results_of(path: Path, likes_from: float | None, first: int, every: int, limit: int | None, only: str) -> Results:
    """Run the contestants whose name holds a text, those who rank only where it is said what a like is."""
    contestants: list[Entry | Rater] = [*(ENTRIES if likes_from is not None else ()), *RATERS]
    named = [one for one in contestants if only.lower() in one.name.lower()]
    skipped = {one.name: reason for one in named if (reason := one.why_not())}
    chosen = [one for one in named if one.name not in skipped]
    if not chosen:
        names = ", ".join(one.name for one in contestants)
        raise click.ClickException(f"No contestant that can run holds {only!r}: {names}.")
    entries = [one for one in chosen if isinstance(one, Entry)]
    raters = [one for one in chosen if isinstance(one, Rater)]
    choices = choices_of(path, likes_from, limit) if likes_from is not None else []
    if likes_from is not None and len(choices) <= first:
        raise click.ClickException(f"{path} holds {len(choices)} choices: --first must be below that. Got {first}.")
    streams = streams_of(path, limit) if raters else []
    return Results(
        list(measure(entries, choices, first, every)),
        {stream.name: predict_all(raters, stream) for stream in streams},
        skipped,
        len(choices),
        {stream.name: len(stream.y) for stream in streams},
    )


def show(found: Results, path: Path, first: int, every: int) -> None:
    """Print the tables, and below each what it says in one line."""
    if found.rows:
        click.echo(as_table(found.rows))
        if over := ratios(found.rows):
            said = " and ".join(f"{value:.3f} times the best other {name}" for name, value in over.items())
            click.echo(f"AutoRanker: {said}")
        click.echo(
            f"{path.name}: {found.n_choices:,} choices, of which every {every}. from {first:,} on was recommended for"
        )
        click.echo(f"{PUBLISHED}\n")
    for stream, rows in found.rating_rows.items():
        click.echo(rating_table(rows))
        if over := below_best(rows):
            said = " and ".join(f"{value:.3f} times the least other {name.upper()}" for name, value in over.items())
            click.echo(f"AutoRecommender: {said}")
        click.echo(f"{stream}: {found.n_ratings[stream]:,} ratings, each predicted, then learned\n")
    for name, reason in found.skipped.items():
        click.echo(f"{name}: skipped, because {reason}.")


@click.command(epilog="Example: python bench/recommend.py ratings.dat.gz --likes-from 7")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--likes-from", type=float, help="Least rating that counts as a choice; without it, nobody ranks.")
@click.option("--first", type=click.IntRange(min=1), default=10_000, show_default=True, help="First choice scored.")
@click.option("--every", type=click.IntRange(min=1), default=5, show_default=True, help="Score every n-th choice.")
@click.option("--limit", type=click.IntRange(min=2), help="Only that many choices, and ratings.")
@click.option("--only", default="", help="Only the contestants whose name holds this text.")
@click.option("--json", "json_", is_flag=True, help="One line of JSON instead of tables.")
def main(
    path: Path, likes_from: float | None, first: int, every: int, limit: int | None, only: str, json_: bool
) -> None:
    """Recommend before every n-th choice of a stream of ratings, and learn each choice; predict and learn each rating.

    PATH is a file of ratings: lines user::item::rating::time, or a CSV file with such columns. All contestants rank all
    items that the user has not had. Popularity and neighbours are the baselines; models of implicit are fitted anew
    every 1,000 choices. Takes a quarter of an hour on 70,000 choices. Other contestants predict all ratings,
    and those of simulated users whose tastes differ: a minute.
    """
    try:
        found = results_of(path, likes_from, first, every, limit, only)
    except ConfigError as error:
        raise click.ClickException(f"{error} {error.hint or ''}".strip()) from error
    ran_on = environment(("edgedescent", "numpy", "river", "implicit"))
    if json_:
        answer = {
            "ran_on": ran_on,
            "again": command_line(),
            "choices": found.n_choices,
            "ratings": found.n_ratings,
            "skipped": found.skipped,
            "over_best": ratios(found.rows),
            "errors_over_best": {stream: below_best(rows) for stream, rows in found.rating_rows.items()},
            "rows": [asdict(row) for row in found.rows],
            "rating_rows": [asdict(row) for rows in found.rating_rows.values() for row in rows],
        }
        click.echo(json.dumps(answer, ensure_ascii=False))
        return
    show(found, path, first, every)
    click.echo("ran on: " + ", ".join(f"{name} {value}" for name, value in ran_on.items()))
    click.echo(f"again: {command_line()}")


if __name__ == "__main__":
    main()
