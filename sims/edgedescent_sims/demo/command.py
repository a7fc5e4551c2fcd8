"""The command `edgedescent demo`: broker, daemon, replay and snapshot on real data."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edgedescent.console.options import SETTINGS, Number, example
from edgedescent.errors import ConfigError
from edgedescent_sims.options import CATEGORIES, COUNT_MAX, DROP, TIME

RIVER_DATA = "ChickWeights"
"""Data set of River that is replayed if no other is named."""


@click.command(
    context_settings=SETTINGS,
    epilog=example(
        "edgedescent demo",
        "edgedescent demo --data hour.csv.gz --target cnt --drop casual,registered",
        "edgedescent demo --recommender ratings.dat.gz",
        "edgedescent demo --recommender ratings.dat.gz --learner AutoRanker",
    ),
)
@click.option(
    "--data",
    "spec",
    default=RIVER_DATA,
    show_default=True,
    help="A CSV or Parquet file, a generator or a River data set.",
)
@click.option("--target", help="The column of a file to predict.")
@DROP
@CATEGORIES
@TIME
@click.option(
    "--recommender",
    "ratings",
    type=click.Path(exists=True, dir_okay=False),
    help="Learn a recommender from a file of ratings instead: user::item::rating::time lines, or CSV.",
)
@click.option(
    "--learner",
    help="Learn with it instead of AutoRegressor, which has the previous labels among its features, as no other has.",
)
@click.option(
    "--rate",
    type=Number(min=0, min_open=True),
    help="Events per second.  [default: about 8 s in all]",
)
@click.option("--limit", type=click.IntRange(2, COUNT_MAX), help="Stop after so many events.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("edgedescent-demo"),
    show_default=True,
    help="Where everything is put; an earlier demo there is replaced.",
)
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON, and print nothing else.")
def demo(
    *,
    spec: str,
    target: str | None,
    drop: list[str],
    categories: list[str],
    time: str | None,
    ratings: str | None,
    learner: str | None,
    rate: float | None,
    limit: int | None,
    folder: Path,
    as_json: bool,
) -> None:
    """See a device learn: broker, daemon, replay, snapshot, all started here and stopped again."""
    # Imported here so that `edgedescent --help`, which loads this module, stays quick.
    from edgedescent_sims.demo.display import Display
    from edgedescent_sims.demo.packages import require_packages
    from edgedescent_sims.demo.session import DemoSession
    from edgedescent_sims.sources import open_source
    from edgedescent_sims.sources.ratings import RatingsSource

    display = Display(quiet=as_json)
    if ratings is not None and not RatingsSource.recognizes(ratings):
        hint = (
            "Its lines are like user::item::rating::time, or its columns are userId, itemId, rating and timestamp; for "
            "a table, give --data and --target."
        )
        raise ConfigError(f"{ratings} holds no ratings.", hint)
    require_packages(with_river=ratings is None and spec == RIVER_DATA)
    source = open_source(
        ratings or spec, target=target, drop=drop, categories=categories, time=time, notify=display.notify
    )
    with DemoSession(source, folder, learner=learner, notify=display.notify) as session:
        display.introduce(session)
        with display.live(session):
            session.replay(rate=rate, limit=limit, on_progress=display.update)
        result = session.finish()
    if as_json:
        click.echo(json.dumps(result.summary()))
    else:
        display.conclude(result)
