"""Print the clicks of 300 readers in a bookshop, one JSON event a line: they stand for those of your own pages."""

import json
import random

SHELVES = (
    ("dracula", "carmilla", "frankenstein", "jekyll"),
    ("time-machine", "worlds", "moon", "leagues"),
    ("emma", "pride", "eyre", "middlemarch"),
)


def clicks() -> list[tuple[str, str]]:
    """Readers and books: mostly of one shelf, now and then of another."""
    chance, made = random.Random(7), list[tuple[str, str]]()
    for reader in range(300):
        shelf = SHELVES[reader % len(SHELVES)]
        books = chance.sample(shelf, 3)
        if chance.random() < 0.3:
            books.append(chance.choice(chance.choice(SHELVES)))
        made += [(f"reader-{reader}", book) for book in dict.fromkeys(books)]
    return [*made, ("ann", "dracula"), ("ann", "frankenstein")]


for number, (user, item) in enumerate(clicks()):
    print(json.dumps({"id": f"click-{number}", "user": user, "item": item, "y": 1}))
