"""The table broker by property: what docs/brokers.md says, and what a run of the contract has found.

`python -m brokers.table --write` (with `tests` and `sims` on PYTHONPATH) renews the one in the documentation.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from brokers.kinds import KINDS
from brokers.kinds.base import Broker

PAGE = Path(__file__).resolve().parents[2] / "docs" / "brokers.md"
BEGIN, END = "<!-- begin: table of the brokers -->", "<!-- end -->"
CASES = {
    "ids": "ids",
    "no ids": "no ids",
    "equal": "equal payloads",
    "overlap": "filters within others",
    "crossing": "filters that cross",
    "changed": "changed filters",
    "limit": "low packet limit",
    "restart": "restart of the broker",
}
"""Titles of the columns, by case."""
KEPT = "once"
"""Text of a cell where the contract is kept."""
NO_LIMIT = "no such limit"
"""Text of the cell of the low packet limit for a broker without one."""


def declared(kind: type[Broker], protocol: str, case: str) -> str:
    """Return what a cell must say by the limitations of a broker."""
    if case == "limit" and protocol not in kind.packet_bytes:
        return NO_LIMIT
    limitation = kind.limitation(case, protocol)
    return KEPT if limitation is None else limitation.cell


def rows(
    cell: Callable[[type[Broker], str, str], str] = declared, kinds: tuple[type[Broker], ...] = KINDS
) -> list[str]:
    """Return the lines of the table.

    Args:
        cell: Gives the text of a cell for a broker, a protocol and a case.
        kinds: Brokers to list.
    """
    head = ["broker", "MQTT", *CASES.values()]
    body = [
        [kind.name, protocol, *(cell(kind, protocol, case) for case in CASES)]
        for kind in kinds
        for protocol in kind.protocols
    ]
    return [f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *body)]


def documented() -> str:
    """Return the table in the documentation."""
    return PAGE.read_text().partition(BEGIN)[2].partition(END)[0].strip()


def main() -> int:
    """Write the table into the documentation, or check it."""
    text = "\n".join(rows())
    if "--write" in sys.argv:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}")
    return int(documented() != text)


if __name__ == "__main__":
    sys.exit(main())
