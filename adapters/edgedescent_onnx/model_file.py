"""Writer of ONNX files, and their serving with onnxruntime."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from edgedescent import __version__
from edgedescent.errors import ExportError, InvalidEventError
from edgedescent_onnx.graph import ML, Array, Branch, Graph, Node, Port

# Files of these versions load in onnxruntime 1.15 to 1.32; those that onnx chooses by itself only in the newest.
IR_VERSION = 8
OPSETS = {"": 17, ML: 3}

PRODUCER = "edgedescent"

FILE_BYTES_MAX = 2_000_000_000
"""Bound of one protobuf message, with a margin; a larger model would need further files."""

KEPT_BYTES_MAX = 64_000_000
"""Size of the largest file whose session is kept for the next call."""

INSTALL_HINT = "Install it with: pip install 'edgedescent[onnx]'. There are no wheels of it for 32-bit ARM."


def encode(graph: Graph, metadata: Mapping[str, str]) -> bytes:
    """Return the graph as an ONNX file that passed the full check of the onnx package.

    Args:
        graph: The graph.
        metadata: Entries of the file's ``metadata_props``.

    Raises:
        ExportError: If a constant is not finite, the file would be too large, a name is not valid Unicode,
            the checker refuses the result, or onnx is not installed.
    """
    # The size comes first, because the check of every number needs further memory.
    if (size := _size(graph)) > FILE_BYTES_MAX:
        raise ExportError(
            f"A snapshot of {size} bytes does not fit an ONNX file, which holds {FILE_BYTES_MAX} at most.",
            "Bound the learner's tables: fewer users, items or factors.",
        )
    for name, constant in graph.constants.items():
        # The checker accepts such values.
        if not np.isfinite(constant).all():
            raise ExportError(
                f"The snapshot's `{name}` holds a value that is not finite.",
                "The learner diverged: go back to an older checkpoint, or start again with a lower `lr`.",
            )
    try:
        model = _write(graph, metadata)
    except UnicodeEncodeError as error:
        raise ExportError(
            f"The name {error.object!r} is not valid Unicode, so no ONNX file can hold it.",
            "Names and ids that arrive as JSON are always valid: look at where this one comes from.",
        ) from error
    _check(model)
    return model


def _size(graph: Graph) -> int:
    """Estimate the size of the graph as a file, in bytes."""
    branches = [value.nodes for node in graph.nodes for value in node.attributes.values() if isinstance(value, Branch)]
    texts = [
        text
        for node in (*graph.nodes, *itertools.chain(*branches))
        for value in node.attributes.values()
        if isinstance(value, list)
        for text in value
        if isinstance(text, str)
    ]
    numbers = sum(constant.nbytes for constant in graph.constants.values())
    # A text is stored in UTF-8 behind a few bytes of length, and next to a row number.
    return numbers + sum(len(text.encode(errors="replace")) + 16 for text in texts)


def _write(graph: Graph, metadata: Mapping[str, str]) -> bytes:
    try:
        from onnx import TensorProto, helper, numpy_helper
    except ImportError as error:
        raise ExportError(_missing("Making", "onnx", error), INSTALL_HINT) from error

    def port(value: Port) -> Any:
        return helper.make_tensor_value_info(
            value.name, getattr(TensorProto, value.type.upper()), value.shape, doc_string=value.meaning
        )

    def attribute(value: object) -> object:
        if not isinstance(value, Branch):
            return value
        return helper.make_graph(list(map(node, value.nodes)), "branch", [], list(map(port, value.outputs)))

    def node(n: Node) -> Any:
        attributes = {name: attribute(value) for name, value in n.attributes.items()}
        outputs = [n.output, *n.further_outputs]
        return helper.make_node(n.operator, n.inputs, outputs, name=n.output, domain=n.domain, **attributes)

    nodes = list(map(node, graph.nodes))
    defaults = {option.name: option.default for option in graph.options}
    constants = [numpy_helper.from_array(np.asarray(c), name) for name, c in {**graph.constants, **defaults}.items()]
    domains = sorted({node.domain for node in graph.nodes})
    model = helper.make_model(
        helper.make_graph(
            nodes,
            PRODUCER,
            [port(i) for i in (*graph.inputs, *graph.options)],
            [port(o) for o in (graph.output, *graph.further_outputs)],
            constants,
        ),
        opset_imports=[helper.make_opsetid(domain, OPSETS[domain]) for domain in domains],
        ir_version=IR_VERSION,
        producer_name=PRODUCER,
        producer_version=__version__,
    )
    helper.set_model_props(model, dict(sorted(metadata.items())))
    return bytes(model.SerializeToString(deterministic=True))


def _check(model: bytes) -> None:
    from onnx import checker, shape_inference

    try:
        checker.check_model(model, full_check=True)
    except (checker.ValidationError, shape_inference.InferenceError) as error:
        raise ExportError(f"The ONNX checker refused the snapshot: {_first_line(error)}") from error


def serve(
    model: bytes, feed: Callable[[Mapping[str, str]], Mapping[str, Array]], outputs: Sequence[str] = ("prediction",)
) -> Iterator[tuple[Any, ...]]:
    """Return what onnxruntime computes of each row of the batch, as numbers and texts of Python.

    Args:
        model: An ONNX file that `encode` has written.
        feed: Returns the inputs, given the file's metadata.
        outputs: Names of the outputs.

    Raises:
        ExportError: If onnxruntime is not installed, or cannot load or run the model.
        InvalidEventError: If an id is not valid Unicode.
    """
    # Since version 1.32, onnxruntime sends usage reports from Linux too, by way of files in the user's cache folder.
    # A device must not write needlessly. Setting the variable to 0 turns the reports on.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime  # noqa: F401 - says what is missing
    except ImportError as error:
        raise ExportError(_missing("Serving", "onnxruntime", error), INSTALL_HINT) from error
    session = _kept_session(model) if len(model) <= KEPT_BYTES_MAX else _session(model)
    inputs = feed(session.get_modelmeta().custom_metadata_map)
    try:
        results = session.run(list(outputs), inputs)
    except UnicodeEncodeError as error:
        raise InvalidEventError("invalid_id", f"The id {error.object!r} is not valid Unicode.") from error
    except Exception as error:  # as above
        raise ExportError(f"onnxruntime cannot run the snapshot: {_first_line(error)}") from error
    return zip(*(result.tolist() for result in results), strict=True)


def _session(model: bytes) -> Any:
    """Session of onnxruntime, which runs a file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Further threads would only spin for a model this small.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # Without the warnings that inputs with a default are no constants.
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions have no base of their own
        raise ExportError(f"onnxruntime cannot load the snapshot: {_first_line(error)}") from error


# Making a session takes far longer than a prediction, and a file is often asked again.
_kept_session = lru_cache(maxsize=1)(_session)


def _missing(what: str, package: str, error: ImportError) -> str:
    """Return the message for a package that is missing, or of which a part does not work on this machine."""
    absent = isinstance(error, ModuleNotFoundError) and error.name == package
    why = "is not installed" if absent else f"cannot be imported: {_first_line(error)}"
    return f"{what} an ONNX snapshot needs the package {package}, which {why}."


def _first_line(error: Exception) -> str:
    """Return the first line of an error; protobuf prints pages after it."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
