"""Put what was measured into the documents: the tables of README.md and docs/learners.md, and the curves."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from curves import write_curves

ROOT = Path(__file__).parents[1]
MEASURED = Path(__file__).parent / "measured"
DOCUMENTS = ("README.md", "docs/learners.md")
BLOCK = re.compile(r"(<!-- measured: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def results(name: str) -> dict[str, Any]:
    """Kept result of a benchmark, as it printed it with --json."""
    found: dict[str, Any] = json.loads((MEASURED / f"{name}.json").read_text(encoding="utf-8"))
    return found


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table in Markdown; all columns but the first are numbers."""
    lines = [header, ("---", *["---:"] * (len(header) - 1)), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def origin(measured: dict[str, Any]) -> str:
    """The command, the machine and the versions, in a sentence."""
    ran_on = measured["ran_on"]
    versions = ", ".join(
        f"{name} {ran_on[name]}" for name in ("river", "vowpalwabbit", "scikit-learn", "paho-mqtt") if name in ran_on
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
        table(("", "EdgeDescent", "others", "first of them / ours"), rows),
    ]
    return "\n".join(lines)


def errors() -> str:
    """The tables of docs/learners.md: progressive errors stream by stream, the best first, each with its curves."""
    measured = results("adaptation")
    parts = [origin(measured)]
    for stream in measured["streams"]:
        name, n = stream["stream"], f"{stream['events']:,}"
        rows = [
            (
                f"**{one['name']}**" if one["ours"] else one["name"],
                *(number(one[k]) for k in ("mae", "rmse", "us_per_event")),
            )
            for one in sorted(stream["learners"], key=lambda one: one["mae"])
        ]
        picture = f"![Mean absolute error over time: {name}](curves/{file_name(name)})"
        parts.append(f"### {name}, {n} events\n\n{table(('', 'MAE', 'RMSE', 'µs/event'), rows)}\n\n{picture}")
    return "\n\n".join(parts)


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


BLOCKS: dict[str, Callable[[], str]] = {"learn": speed, "daemon": rates, "adaptation": errors}


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
            curves = {one["name"]: one["mae_over_time"] for one in stream["learners"]}
            write_curves(drawing, stream["stream"], stream["events"], curves)
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
