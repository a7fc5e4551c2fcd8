from typing_extensions import disjoint_base

@disjoint_base
class LatestPrediction:
    def __init__(self, n_lags: int) -> None: ...
