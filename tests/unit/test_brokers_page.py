"""The page about brokers says what the contract is held to; `make brokers` tries it."""

from __future__ import annotations

import re

from brokers.kinds import KINDS
from brokers.table import PAGE, documented, rows


def test_the_table_says_what_the_contract_is_held_to() -> None:
    assert documented() == "\n".join(rows()), "PYTHONPATH=tests:sims python -m brokers.table --write"


def test_every_broker_has_a_section_that_gives_its_limitations() -> None:
    headings = set(re.findall(r"^## (.+)$", PAGE.read_text(), re.MULTILINE))
    for kind in KINDS:
        assert kind.name.removesuffix(" (newest)").capitalize() in {heading.capitalize() for heading in headings}


def test_every_limitation_is_warned_of() -> None:
    for kind in KINDS:
        for limitation in kind.limitations.values():
            assert limitation.warning
