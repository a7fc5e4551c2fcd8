from typing_extensions import disjoint_base

from edgedescent.optim._stepper import Stepper

@disjoint_base
class SingleStepper(Stepper): ...
