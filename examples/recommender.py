"""Learn ratings one at a time and recommend what a user has not seen.

Half of the users like drinks, the other half likes books. Each user rates a few items; matrix factorization finds the
two tastes.
"""

from __future__ import annotations

import random

from edgedescent import MatrixFactorization

DRINKS = ["tea", "coffee", "cocoa", "juice", "water", "milk"]
BOOKS = ["novel", "atlas", "poems", "drama", "comic", "diary"]

numbers = random.Random(5)
ranker = MatrixFactorization(n_factors=4)
for _ in range(8000):
    user = numbers.randrange(40)
    item = numbers.choice(DRINKS + BOOKS)
    liked = DRINKS if user % 2 else BOOKS
    if user == 1 and item in {"tea", "milk"}:
        continue  # user 1 has yet to discover these two
    ranker.learn_one(user, item, numbers.gauss(4.5 if item in liked else 1.5, 0.3))

for item in ("tea", "novel"):
    print(f"User 1 would rate {item} with {ranker.predict_one(1, item):.1f}.")
print(f"Recommended to user 1: {', '.join(sorted(ranker.recommend(1, k=2, exclude_seen=True)))}")
