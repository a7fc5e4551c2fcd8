"""ONNX adapter: export of learners as ONNX files, which any ONNX runtime can serve.

>>> from edgedescent import LinearRegressor
>>> from edgedescent_onnx import OnnxAdapter
>>> model = LinearRegressor()
>>> model.learn_one({"temp": 20.1}, 3.2)
>>> snapshot = OnnxAdapter().export(model, {"device": "greenhouse"})
>>> OnnxAdapter().predict(snapshot, [{"x": {"temp": 20.1}}])
[3.2]
"""

from typing import TYPE_CHECKING

from edgedescent_onnx.serving import prepare

if TYPE_CHECKING:
    from edgedescent_onnx.adapter import OnnxAdapter

__all__ = ["OnnxAdapter", "prepare"]


def __getattr__(name: str) -> object:
    # Not by `edgedescent.lazy`: who prepares events for a snapshot needs nothing but NumPy.
    if name != "OnnxAdapter":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from edgedescent_onnx.adapter import OnnxAdapter

    return OnnxAdapter
