from typing import Any

from edgedescent.learners._ranking_model import RankingModel

def ranking_tables(model: RankingModel) -> dict[str, Any]: ...
