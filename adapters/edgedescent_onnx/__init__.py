"""ONNX adapter: export of learners as ONNX files, which any ONNX runtime can serve.

>>> from edgedescent import LinearRegressor
>>> from edgedescent_onnx import OnnxAdapter
>>> model = LinearRegressor()
>>> model.learn_one({"temp": 20.1}, 3.2)
>>> snapshot = OnnxAdapter().export(model, {"device": "greenhouse"})
>>> OnnxAdapter().predict(snapshot, [{"x": {"temp": 20.1}}])
[3.2]
"""

from edgedescent_onnx.adapter import OnnxAdapter

__all__ = ["OnnxAdapter"]
