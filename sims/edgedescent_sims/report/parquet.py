"""Results as a Parquet table: one row per scenario, candidate, seed and score."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from edgedescent_sims.report.extra import import_extra
from edgedescent_sims.result import CandidateResult, Interval, SimulationResult


def result_rows(results: Iterable[SimulationResult]) -> Iterator[dict[str, Any]]:
    """Yield the rows of the table as dictionaries.

    Scores of a recovery have the index and the label of their drift in the columns ``drift`` and ``drift_label``, which
    are empty for scores of the whole run. ``repetition`` counts the seeds of a result from 0, and
    ``seed`` is the one from which all of them are derived.
    """
    for result in results:
        for candidate in result.candidates:
            for name, score in candidate.scores.items():
                yield from _rows(result, candidate, name, score, None)
            for recovery in candidate.recoveries:
                for name, score in recovery.scores.items():
                    yield from _rows(result, candidate, name, score, recovery.mark)


def _rows(
    result: SimulationResult, candidate: CandidateResult, name: str, score: Interval, drift: int | None
) -> Iterator[dict[str, Any]]:
    for i, value in enumerate(score.by_seed or [score.value]):
        yield {
            "scenario": result.name,
            "kind": result.kind,
            "version": result.version,
            "candidate": candidate.name,
            "is_peer": candidate.is_peer,
            "is_repeatable": candidate.is_repeatable,
            "seed": result.seed,
            "repetition": i,
            "drift": drift,
            "drift_label": None if drift is None else result.marks[drift].label,
            "score": name,
            "value": value,
        }


def write_parquet(path: Path, results: Iterable[SimulationResult]) -> None:
    """Write a table with one row per scenario, candidate, seed and score; `result_rows` describes its columns.

    Raises:
        ConfigError: If pyarrow is not installed.
    """
    pyarrow = import_extra("pyarrow", "pyarrow", "A Parquet table")
    parquet = import_extra("pyarrow.parquet", "pyarrow", "A Parquet table")
    text, flag = pyarrow.string(), pyarrow.bool_()
    schema = pyarrow.schema(
        [
            ("scenario", text),
            ("kind", text),
            ("version", text),
            ("candidate", text),
            ("is_peer", flag),
            ("is_repeatable", flag),
            ("seed", pyarrow.int64()),
            ("repetition", pyarrow.int32()),
            ("drift", pyarrow.int32()),
            ("drift_label", text),
            ("score", text),
            ("value", pyarrow.float64()),
        ]
    )
    parquet.write_table(pyarrow.Table.from_pylist(list(result_rows(results)), schema=schema), path)
