"""The parameters that all learners of named features share."""

from __future__ import annotations

from typing import Any

from edgedescent.validation import require_choice, require_count, require_number


def shared_parameters(learner: Any) -> dict[str, Any]:
    """Check the shared parameters of a learner, and give them as its kernel takes them.

    Raises:
        ValueError: if one is out of its range.
    """
    require_number(learner, "l1", learner.l1, at_least=0)
    require_number(learner, "l2", learner.l2, at_least=0)
    require_number(learner, "clip", learner.clip, above=0)
    require_number(learner, "forgetting", learner.forgetting, above=0, below=1)
    require_count(learner, "features_max", learner.features_max, at_least=1, at_most=10_000_000)
    require_choice(learner, "when_full", learner.when_full, ("evict", "share"))
    if learner.hash_bits is not None:
        require_count(learner, "hash_bits", learner.hash_bits, at_least=1, at_most=30)
    require_count(learner, "replay_size", learner.replay_size, at_least=1, at_most=1_000_000)
    require_count(learner, "replay_steps", learner.replay_steps, at_most=1000)
    require_count(learner, "seed", learner.seed, at_most=2**62)
    if not all(isinstance(name, str) for name in learner.categories):
        raise ValueError(
            f"The `categories` of {type(learner).__name__} must be names of features. Got {learner.categories!r}."
        )
    return {
        "l1": learner.l1,
        "l2": learner.l2,
        "clip": learner.clip,
        "rate_min": learner.forgetting,
        "features_max": learner.features_max,
        "when_full": learner.when_full,
        "categories": learner.categories,
        "hash_bits": learner.hash_bits,
        "replay_size": learner.replay_size,
        "replay_steps": learner.replay_steps,
        "seed": learner.seed,
    }
