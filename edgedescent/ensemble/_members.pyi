from typing_extensions import disjoint_base

from edgedescent.ensemble._least_squares import LeastSquares
from edgedescent.ensemble._member import Member
from edgedescent.ensemble._network import Network

@disjoint_base
class LeastSquaresMember(Member):
    @property
    def model(self) -> LeastSquares: ...
    def __init__(self, model: LeastSquares, on_change: bool, intercept: int) -> None: ...

@disjoint_base
class NetworkMember(Member):
    @property
    def model(self) -> Network: ...
    def __init__(self, model: Network, on_change: bool) -> None: ...
