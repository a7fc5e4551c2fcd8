"""Put what was measured into the documents: the tables of README.md and of docs/, and the curves."""

from __future__ import annotations

import json
import math
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from bars import geometric_mean
from curves import COLOURS, write_curves

ROOT = Path(__file__).parents[1]
MEASURED = Path(__file__).parent / "measured"
DOCUMENTS = ("README.md", "docs/learners.md", "docs/auto.md")
OURS = ("AutoRegressor, default", "AutoRegressor, small", "AutoRegressor, tiny", "MLPRegressor", "LinearRegressor")
DRAWN = ("bike sharing", "metro traffic", "household power", "FriedmanDrift lea", "TrumpApproval", "MovieTweetings")
"""Streams of which the documents show errors over time."""
BLOCK = re.compile(r"(<!-- measured: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def results(name: str) -> dict[str, Any]:
    """Kept result of a benchmark, as it printed it with --json."""
    found: dict[str, Any] = json.loads((MEASURED / f"{name}.json").read_text(encoding="utf-8"))
    return found


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table in Markdown; all columns but the first are numbers."""
    lines = [header, ("---", *["---:"] * (len(header) - 1)), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def origin(measured: dict[str, Any]) -> str:
    """The command, the machine and the versions, in a sentence."""
    ran_on = measured["ran_on"]
    versions = ", ".join(
        f"{name} {ran_on[name]}"
        for name in ("edgedescent", "river", "vowpalwabbit", "samlb", "scikit-learn", "paho-mqtt")
        if name in ran_on
    )
    return (
        f"`{measured['again']}` printed this on a shared {ran_on['processor']}, {ran_on['cores']} cores, "
        f"{ran_on['system']}, {ran_on['Python']}; {versions}."
    )


def speed() -> str:
    """The table of README.md: µs per event, and how many times faster than each peer."""
    measured = results("learn")
    rows = []
    for row in measured["rows"]:
        ours, *peers = row["learners"]
        others = "; ".join(f"{p['name']} {number(p['us_per_event_median'], 3)}" for p in peers)
        ratio = f"{peers[0]['ours_is_times_faster']:.2g}" if row["target"] else ""
        rows.append((row["task"], number(ours["us_per_event_median"], 2), others, ratio))
    lines = [
        "Microseconds per event, medians of interleaved runs; take the ratios, and repeat them on your machine.",
        origin(measured),
        "",
        table(("", "EdgeDescent", "others", "times as fast as the first of the others"), rows),
    ]
    return "\n".join(lines)


def headline() -> str:
    """The first table of README.md: the budgets of the automatic regressor beside the best peer of each stream."""
    measured = results("adaptation")
    features = [stream for stream in measured["streams"] if stream["kind"] == "features"]
    budgets = [name for name in OURS if name.startswith("AutoRegressor")]
    lines = [against_the_best(stream, budgets, "mae") for stream in sorted(features, key=_best_of_ours)]
    averages = [[ours_over_best(stream, name, "mae") for stream in features] for name in budgets]
    mean = (f"{geometric_mean(ratios):.2f}" for ratios in averages)
    return "\n".join(
        [
            "Mean absolute error as a ratio to that of the best of all peers on each stream, the lost streams first.",
            "Below 1 it is smaller than that of every peer. Each event is predicted, then learned.",
            origin(measured),
            "",
            table(("", "best peer", "MAE", *budgets), [("geometric mean", "", "", *mean), *lines]),
        ]
    )


def _best_of_ours(stream: dict[str, Any]) -> float:
    """Sort key: streams on which the default budget is worst come first."""
    return -ours_over_best(stream, OURS[0], "mae")


def ablation() -> str:
    """The table of docs/auto.md: what each ingredient of the automatic regressor is worth."""
    measured = results("ablation")
    rows = [
        (
            one["without"],
            f"{one['mean']:.3f}",
            f"{one['cost']:.2f}",
            f"{one['most']:.2f}, {one['most_on']}",
            f"{one['least']:.2f}, {one['least_on']}",
        )
        for one in measured["ingredients"]
    ]
    n_streams = len({row["stream"] for row in measured["rows"]})
    lines = [
        f"Ratios to `AutoRegressor()` with all ingredients, geometric means over {n_streams} streams.",
        "Above 1 the error is larger without the ingredient.",
        origin(measured),
        "",
        table(("without", "MAE", "time", "most, on", "least, on"), rows),
    ]
    return "\n".join(lines)


def evolution() -> str:
    """The table of docs/auto.md: what the evolution of networks is worth on long streams."""
    measured = results("evolution")
    rows = [
        (one["stream"], f"{one['events']:,}", f"{one['ratio']:.3f}", f"{one['last']:.3f}")
        for one in sorted(measured["rows"], key=lambda one: -one["ratio"])
    ]
    lines = [
        "MAE of `AutoRegressor()` over that of the same regressor without evolution, the lost streams first.",
        origin(measured),
        "",
        table(
            ("", "events", "MAE", "MAE, last fifth"),
            [("geometric mean", "", f"{measured['mean']:.3f}", f"{measured['last']:.3f}"), *rows],
        ),
    ]
    return "\n".join(lines)


def errors() -> str:
    """The tables of docs/learners.md: ours beside the best peer of each stream, then ratings, each with curves."""
    measured = results("adaptation")
    features = [stream for stream in measured["streams"] if stream["kind"] == "features"]
    parts = [origin(measured)]
    ours = [name for name in OURS if all(learner(stream, name) for stream in features)]
    for measure in ("mae", "rmse"):
        lines = sorted(features, key=lambda stream: -ours_over_best(stream, ours[0], measure))
        parts.append(
            table(("", "best peer", measure.upper(), *ours), [against_the_best(one, ours, measure) for one in lines])
        )
    parts += [
        means(features, ours),
        costs(measured),
        *(ratings(one) for one in measured["streams"] if one["kind"] == "ratings"),
    ]
    parts += [picture(stream) for stream in measured["streams"] if stream["stream"] in DRAWN]
    return "\n\n".join(part for part in parts if part)


def learner(stream: dict[str, Any], name: str) -> dict[str, Any] | None:
    """Measurements of a learner on a stream; None where it did not take part."""
    return next((one for one in stream["learners"] if one["name"] == name), None)


def ours_over_best(stream: dict[str, Any], name: str, measure: str) -> float:
    """The error of one of ours over that of the best peer; infinite where it failed."""
    found = learner(stream, name)
    ratio = None if found is None else found[f"{measure}_over_best_peer"]
    return math.inf if ratio is None else float(ratio)


def against_the_best(stream: dict[str, Any], ours: Sequence[str], measure: str) -> tuple[str, ...]:
    """A line of a table: the best peer and its error, then ours as ratios to it."""
    peers = [one for one in stream["learners"] if one["role"] == "peer" and one[measure] is not None]
    best = min(peers, key=lambda one: one[measure])
    ratios = (ours_over_best(stream, name, measure) for name in ours)
    name = f"{stream['stream']}, {stream['events']:,} events"
    return (name, best["name"], number(best[measure]), *(f"{ratio:.2f}" for ratio in ratios))


def means(features: Sequence[dict[str, Any]], ours: Sequence[str]) -> str:
    """The geometric mean and the worst of the ratios of ours."""
    rows = []
    for measure in ("mae", "rmse"):
        found = [[ours_over_best(stream, name, measure) for stream in features] for name in ours]
        average = (f"{geometric_mean(ratios):.3f}" for ratios in found)
        rows.append((f"{measure.upper()}, geometric mean", *average))
        rows.append((f"{measure.upper()}, worst", *(f"{max(ratios):.2f}" for ratios in found)))
    return table(("over the best peer's", *ours), rows)


def costs(measured: dict[str, Any]) -> str:
    """Table of the cost of an event, on the streams that were timed."""
    if not measured["costs"]:
        return ""
    base, timed = measured["costs"]["base"], measured["costs"]["us_per_event"]
    rows = [
        (name, *(f"{number(each[name], 3)} ({each[name] / each[base]:.2f})" for each in timed.values()))
        for name in next(iter(timed.values()))
    ]
    return table((f"CPU µs per event (over {base})", *timed), rows)


def ratings(stream: dict[str, Any]) -> str:
    """The recommenders on a stream of ratings, the best first."""
    rows = [
        (
            one["name"] if one["role"] == "peer" else f"**{one['name']}**",
            *(number(one[key]) for key in ("mae", "rmse", "us_per_event")),
        )
        for one in sorted(stream["learners"], key=lambda one: float(one["mae"]))
    ]
    name = f"{stream['stream']}, {stream['events']:,} events"
    return table((name, "MAE", "RMSE", "CPU µs/event"), rows)


def picture(stream: dict[str, Any]) -> str:
    """The curves of a stream, in Markdown."""
    return f"![Mean absolute error over time: {stream['stream']}](curves/{file_name(stream['stream'])})"


def drawn(stream: dict[str, Any]) -> dict[str, list[float | None]]:
    """The curves of ours, of the last value, and of the best of the other peers, as many as have colours."""
    others = sorted(
        (one for one in stream["learners"] if one["role"] == "peer" and one["name"] != "last value"),
        key=lambda one: math.inf if one["mae"] is None else float(one["mae"]),
    )
    first = [one for one in stream["learners"] if one["role"] in ("budget", "ours") or one["name"] == "last value"]
    return {one["name"]: one["mae_over_time"] for one in [*first, *others][: len(COLOURS)]}


def rates() -> str:
    """The table of README.md on the daemon: how fast each consumer drains a broker, and what that costs."""
    measured = results("daemon")
    rows = []
    for case in measured["cases"]:
        arrays = ", arrays of 100" if case["events_per_message"] > 1 else ""
        rows.append(
            (
                f"{case['consumer']}, QoS {case['qos']}{arrays}",
                f"{case['events_per_s']:,.0f}",
                number(case["cpu_us_per_message"], 3),
                number(case["memory_mib"], 3),
            )
        )
    lines = [
        "How fast a backlog is drained from mosquitto, medians; in `power` every event survives a power cut.",
        origin(measured),
        "",
        table(("", "events/s", "CPU µs/message", "MiB at most"), rows),
    ]
    return "\n".join(lines)


def number(value: float, digits: int = 4) -> str:
    """Number with so many significant digits and no power of ten."""
    return f"{value:,.0f}" if value >= 10 ** (digits - 1) else f"{value:.{digits}g}"


def file_name(stream: str) -> str:
    """The name of a stream's picture."""
    return f"{stream.replace(' ', '-').lower()}.svg"


BLOCKS: dict[str, Callable[[], str]] = {
    "headline": headline,
    "learn": speed,
    "daemon": rates,
    "adaptation": errors,
    "ablation": ablation,
    "evolution": evolution,
}


def expected() -> dict[Path, str]:
    """All documents and pictures as they should be."""
    found: dict[Path, str] = {}
    for document in DOCUMENTS:
        path = ROOT / document
        text = path.read_text(encoding="utf-8")
        found[path] = BLOCK.sub(lambda m: f"{m[1]}{BLOCKS[m[2]]()}\n{m[3]}", text)
    with tempfile.TemporaryDirectory() as folder:
        drawing = Path(folder) / "drawing.svg"
        for stream in results("adaptation")["streams"]:
            if stream["stream"] not in DRAWN:
                continue
            write_curves(drawing, stream["stream"], stream["events"], drawn(stream))
            found[ROOT / "docs/curves" / file_name(stream["stream"])] = drawing.read_text(encoding="utf-8")
    return found


@click.command(epilog="Example: python bench/learn.py --json > bench/measured/learn.json && python bench/tables.py")
@click.option(
    "--check", is_flag=True, help="Change nothing; exit with 1 where a document differs from what is measured."
)
def main(check: bool) -> None:
    """Write the tables and curves of the documents from bench/measured/, where the benchmarks' JSON is kept."""
    differing = []
    for path, text in expected().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            differing.append(str(path.relative_to(ROOT)))
            if not check:
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8")
    click.echo(f"{'differing' if check else 'written'}: {', '.join(differing) or 'none'}")
    sys.exit(1 if check and differing else 0)


if __name__ == "__main__":
    main()
