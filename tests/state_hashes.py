"""Hashes of every learner's state after a fixed stream of events, to compare two builds bit by bit.

    python tests/state_hashes.py                                    # print all hashes as JSON
    python tests/state_hashes.py --out tests/contract/state_hashes.json
    python tests/state_hashes.py --compare tests/contract/state_hashes.json
    python tests/state_hashes.py --only 'MLPRegressor/*' --parts    # one hash for each array of the state

The stream is made from exact operations only (a seeded generator of uniform numbers, sums and products), so that it
has the same bits on every machine. A hash covers the whole state and every prediction given on the way.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache, partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from edgedescent import learn_lines
from edgedescent.optim import Adam, MiniBatch
from support.exported import GRADIENT_LEARNERS, LEARNERS, LOSSES, OPTIMIZED, SCHEDULES, accepts_loss, small

N_EVENTS = 2000
GOLDEN = Path(__file__).parent / "contract" / "state_hashes.json"

NUMBERS = ("temp", "load", "flow", "rpm", "level", "volt")
SITES = ("north", "south", "east", "west", "Zürich", "東京", "")
BROKEN = (None, math.nan, math.inf, 1e300, 10**400)

# Small enough that newcomers evict, and that the replay buffer wraps around.
TABLES = {"features_max": 24, "categories": ("line",)}
FEATURES = {**TABLES, "replay_size": 64, "replay_steps": 1}
IDS = {"users_max": 20, "items_max": 12, "seen_max": 4}
RATINGS = {**IDS, "replay_size": 64, "replay_steps": 1}

Digests = dict[str, str]


def recommends(kind: Any) -> bool:
    """True for a learner of users and items."""
    return hasattr(kind, "recommend")


def target(model: Any, y: float) -> float:
    """The target nearest to `y` that the learner's loss is defined for."""
    loss = type(getattr(model, "loss", None)).__name__
    if loss == "LogisticLoss":
        return float(y > 4.0)
    return max(y, 0.0) if loss == "PoissonLoss" else y


def bell(rng: random.Random) -> float:
    """A number of mean 0 and variance 1 from exact operations; `random.gauss` takes logarithms."""
    return (rng.random() + rng.random() + rng.random()) * 2.0 - 3.0


def reading(rng: random.Random, n: int) -> tuple[dict[str, Any], float]:
    """Event `n` of a plant: numbers, categories, booleans and a nested part, some of them missing or broken."""
    level = 1.0 if n % 1000 < 500 else -1.0
    numbers = [10.0 * i + (1.0 + i) * bell(rng) for i in range(len(NUMBERS))]
    site, line, alarm = int(rng.random() * len(SITES)), int(rng.random() * 4), rng.random() < 0.3
    x: dict[str, Any] = {name: value for name, value in zip(NUMBERS, numbers, strict=True) if rng.random() < 0.9}
    x["site"], x["line"] = SITES[site], line
    if rng.random() < 0.5:
        x["alarm"] = alarm
    if rng.random() < 0.5:
        x["motor"] = {"heat": numbers[0] * 0.5, "phase": {"a": bell(rng)}}
    if n % 23 == 0:
        x[f"new-{n // 46}"] = bell(rng)
    if n % 41 == 0:
        x[NUMBERS[n % len(NUMBERS)]] = BROKEN[n // 41 % len(BROKEN)]
    y = 5.0 + level * (numbers[0] - 0.125 * numbers[1]) + 0.5 * site - line + 2.0 * alarm + 0.25 * bell(rng)
    if n % 97 == 0:
        y = (math.nan, 1e6, math.inf, -1e6)[n // 97 % 4]
    return x, y


@cache
def readings(n_events: int) -> list[tuple[dict[str, Any], float]]:
    """The first `n_events` events of the plant: the same for every learner."""
    rng = random.Random(20)
    return [reading(rng, n) for n in range(n_events)]


def learn_readings(model: Any, n_events: int) -> Iterator[float]:
    """Learn from `n_events` events of named features by each method in turn; yields the predictions."""
    n = 0
    while n < n_events:
        block = readings(n_events)[n : n + 50]
        way = n // 50 % 4
        n += len(block)
        if way == 2:
            rows = [[x.get(name) for name in NUMBERS] for x, _ in block]
            plain = [[math.nan if v is None or abs(v) > 1e308 else float(v) for v in row] for row in rows]
            yield from model.learn_many(plain, [target(model, y) for _, y in block], list(NUMBERS))
        elif way == 3:
            lines = [json.dumps({"x": x, "y": target(model, y)}) for x, y in block if math.isfinite(y) and valid(x)]
            yield from learn_lines(model, "\n".join(lines).encode())
        else:
            for x, y in block:
                if way == 0:
                    yield model.predict_learn_one(x, target(model, y))
                else:
                    yield model.predict_one(x)
                    model.learn_one(x, target(model, y))


def valid(x: Mapping[str, Any]) -> bool:
    """True if JSON can hold the features."""
    return not any(isinstance(v, float) and not math.isfinite(v) for v in x.values())


@cache
def ratings(n_events: int) -> list[tuple[str | int, str, float]]:
    """`n_events` ratings: the same for every recommender."""
    rng = random.Random(30)
    made: list[tuple[str | int, str, float]] = []
    for n in range(n_events):
        # The square makes some users and items frequent, so that the rare ones are evicted.
        user, item = int(rng.random() * rng.random() * 40.0), int(rng.random() * rng.random() * 24.0)
        y = 1.0 + (user * 3 + item * 5) % 9 * 0.5 + 0.25 * bell(rng)
        if n % 97 == 0:
            y = (math.nan, 1e6, 0.0, -1.0)[n // 97 % 4]
        made.append((f"user-{user}" if user % 2 else user, f"item-{item}", y))
    return made


def learn_ratings(model: Any, n_events: int) -> Iterator[float]:
    """Learn from `n_events` ratings by each method in turn; yields the predictions."""
    for n in range(0, n_events, 50):
        block = ratings(n_events)[n : n + 50]
        if n // 50 % 2:
            yield from model.learn_many([u for u, _, _ in block], [i for _, i, _ in block], [y for *_, y in block])
        else:
            for user, item, y in block:
                yield model.predict_one(user, item)
                model.learn_one(user, item, y)


@cache
def models() -> dict[str, Callable[[], Any]]:
    """What is hashed, by name: each learner with each optimizer and loss, and all losses with all schedules."""
    made: dict[str, Callable[[], Any]] = {}
    for kind in LEARNERS:
        bounds = RATINGS if recommends(kind) else FEATURES
        if kind not in GRADIENT_LEARNERS:
            tables = IDS if recommends(kind) else TABLES
            made[kind.__name__] = partial(small, kind, **tables)
            made[f"{kind.__name__}/share"] = partial(small, kind, **tables, when_full="share")
            continue
        for optimizer in [one for learner, one in OPTIMIZED if learner is kind]:
            made[f"{kind.__name__}/{optimizer.__name__}"] = partial(
                lambda kind, optimizer, bounds: small(kind, optimizer=optimizer(), **bounds), kind, optimizer, bounds
            )
        for loss in LOSSES:
            if accepts_loss(kind, loss()):
                made[f"{kind.__name__}/{loss.__name__}"] = partial(
                    lambda kind, loss, bounds: small(kind, loss=loss(), **bounds), kind, loss, bounds
                )
        for setting, parameters in settings(kind).items():
            made[f"{kind.__name__}/{setting}"] = partial(
                lambda kind, parameters, bounds: small(kind, **{**bounds, **parameters}), kind, parameters, bounds
            )
    for loss in LOSSES:
        kind = next(kind for kind in LEARNERS if kind.__name__.startswith("L") and accepts_loss(kind, loss()))
        for schedule in SCHEDULES:
            made[f"{kind.__name__}/{loss.__name__}/{schedule.__name__}"] = partial(
                lambda kind, loss, schedule: small(kind, loss=loss(), optimizer=Adam(schedule=schedule()), **FEATURES),
                kind,
                loss,
                schedule,
            )
    return made


def settings(kind: Any) -> dict[str, dict[str, Any]]:
    """Parameters of a learner beside its optimizer and loss that take another path through its arithmetic."""
    averaged = Adam(average_rate=0.01, clip_value=3.0, clip_norm=5.0)
    made: dict[str, dict[str, Any]] = {
        "defaults": {"replay_steps": 0},
        "share": {"when_full": "share"},
        "averaged": {"optimizer": averaged},
        "averaged batches": {"optimizer": MiniBatch(optimizer=averaged, size=3)},
    }
    if not recommends(kind):
        made["penalties"] = {"l1": 1e-4, "l2": 1e-3}
        made["hashed"] = {"hash_bits": 3, "features_max": 64}
    return made


def digests(model: Any, n_events: int = N_EVENTS) -> Digests:
    """A hash of each part of the state, and of the predictions, after `n_events` events."""
    learn = learn_ratings if recommends(model) else learn_readings
    state = {"predictions": np.array(list(learn(model, n_events)), dtype=np.float64), **model.state_dict()}
    return {name: digest(value) for name, value in sorted(state.items())}


def digest(value: Any) -> str:
    """SHA-256 of a part of the state: its type, shape and bits, or its texts."""
    if isinstance(value, list):
        return hashlib.sha256(json.dumps(value).encode()).hexdigest()
    little = value.astype(value.dtype.newbyteorder("<"))
    head = f"{little.dtype.str} {little.shape} "
    return hashlib.sha256(head.encode() + little.tobytes()).hexdigest()


def whole(parts: Digests) -> str:
    """One hash of all parts and their names."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def main(arguments: list[str] | None = None) -> int:
    """Print, write or compare the hashes; returns the exit code."""
    parser = argparse.ArgumentParser(description=cast(str, __doc__).splitlines()[0])
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the hashes here; printed otherwise")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="exit with 1 unless the hashes are those in FILE")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="learner/optimizer, with * and ? (default: all)")
    parser.add_argument("--events", type=int, default=N_EVENTS, metavar="N", help="events per learner (default: 2000)")
    parser.add_argument("--parts", action="store_true", help="a hash for each array of the state")
    given = parser.parse_args(arguments)
    chosen = {name: make for name, make in models().items() if fnmatchcase(name, given.only)}
    hashes: dict[str, Any] = {}
    for name, make in chosen.items():
        parts = digests(make(), given.events)
        hashes[name] = parts if given.parts else whole(parts)
    text = json.dumps(hashes, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    if given.out:
        given.out.write_text(text, encoding="utf-8")
    elif not given.compare:
        sys.stdout.write(text)
    return compare(hashes, given.compare, given.only) if given.compare else 0


def compare(hashes: Mapping[str, Any], path: Path, only: str) -> int:
    """Print what differs from the hashes in a file; returns 1 if anything does."""
    expected = {name: h for name, h in json.loads(path.read_text("utf-8")).items() if fnmatchcase(name, only)}
    wrong = sorted(name for name in {*hashes, *expected} if hashes.get(name) != expected.get(name))
    for name in wrong:
        print("absent here: " if name not in hashes else "new: " if name not in expected else "differs: ", name, sep="")
    print(f"{len(hashes) - len(set(wrong) & set(hashes))} of {len(hashes)} states have the bits of {path}.")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
