"""The demo of choices, as a person runs it: a newcomer's lists with titles, and the hit rate beside popularity's."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from pathlib import Path

from support.waiting import PATIENCE_S


def test_a_newcomers_lists_follow_the_events_and_choices_are_found(tmp_path: Path) -> None:
    dice = random.Random(1)
    rows = []
    for n in range(900):
        side = n % 2
        rows.append(f"{dice.randrange(30) * 2 + side}::{100 * (1 + side) + dice.randrange(20)}::5::{1_000_000 + n}")
    (tmp_path / "ratings.dat").write_text("\n".join(rows) + "\n", encoding="utf-8")
    titles = [f"{100 * side + n}::{('Comedy', 'Drama')[side - 1]} {n}::" for side in (1, 2) for n in range(20)]
    (tmp_path / "movies.dat").write_text("\n".join(titles) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "edgedescent", "demo", "--recommender", "ratings.dat", "--learner", "AutoRanker"]
    done = subprocess.run(
        [*command, "--rate", "3000"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rates = dict(re.findall(r"^  (model|popularity) +(0\.\d+)$", done.stdout, re.MULTILINE))
    assert float(rates["model"]) > 1.2 * float(rates["popularity"]) > 0.0
    lists = re.findall(r"^  (at first|after (?:Comedy|Drama) \d+): (.*)$", done.stdout, re.MULTILINE)
    assert len(lists) == 4
    # Each event is of one kind, and so are the lists that follow from them; the first one follows from none.
    kinds = [set(re.findall("Comedy|Drama", listed)) for _, listed in lists]
    assert kinds[-1] == set(re.findall("Comedy|Drama", lists[-1][0]))
    assert len({listed for _, listed in lists}) > 1
    assert "Learned 903 of 903 events" in done.stdout
