"""Export of a run's network as an ONNX file, which many programs read: pixels in, logits out, for any number of images.

The graph is written from the network's plain operations, not by PyTorch's exporter, which needs one more package, and
writes the folders of this machine into each node.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.exports.facts import facts_by_name, title
from core.exports.program import Operation, program
from core.models.model import open_model
from core.refusal import Refusal
from core.store import Run, no_report

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

PACKAGES = {"onnx": "onnx", "onnxruntime": "onnxruntime"}  # what it needs that the app does not: by import, by pip
MOST_APART = 1e-5  # of a probability
BATCHES = (1, 7, 256)  # the numbers of images at a time with which the file is checked
OPSET = 20  # the first that has GELU
IR_VERSION = 9  # the format's version that belongs to it; runtimes since the beginning of 2024 read it
LARGEST = (1 << 31) - (1 << 20)  # bytes of weights; a file of the format has 2 GiB at most
IMAGE, LOGITS = "image", "logits"  # the names of what goes in, uint8 (N, C, H, W), and of what comes out, (N, K)
PIXELS = "uint8, 0 to 255; the network scales them itself"
FUNCTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "relu": ("Relu", {}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.01}),
    "gelu": ("Gelu", {}),
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
}
"""ONNX's operator and its settings, by the name of an activation function; it has none for SiLU."""


def write(run: Run, path: Path, language: str) -> None:
    """Write the network to a new file, with what it is, in a language, as metadata. Raises: Refusal."""
    import onnx

    report = run.report()
    if not report:
        raise no_report(run)
    model = open_model(run)
    operations, numbers = program(model.module)
    if numbers.nbytes > LARGEST:
        raise Refusal("error.onnx_large", run=run.name)
    graph = Graph(numbers)
    last = graph.add("Cast", [IMAGE], to=onnx.TensorProto.FLOAT)
    last, _ = graph.apply(operations, last, model.shape)
    graph.add("Identity", [last], LOGITS)
    image = onnx.helper.make_tensor_value_info(IMAGE, onnx.TensorProto.UINT8, ["N", *model.shape], PIXELS)
    logits = onnx.helper.make_tensor_value_info(LOGITS, onnx.TensorProto.FLOAT, ["N", len(model.names(language))])
    made = onnx.helper.make_model(
        onnx.helper.make_graph(graph.nodes, title(run, language), [image], [logits], graph.stored),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="bancada",
    )
    said = facts_by_name(run, language)
    said |= {"classes": json.dumps(model.names(language), ensure_ascii=False), "pixels": PIXELS}
    said |= {"spec": run.spec.model_dump_json(), "selection": report.best_by, "n": str(report.n)}
    onnx.helper.set_model_props(made, said)
    onnx.checker.check_model(made, full_check=True)
    path.write_bytes(made.SerializeToString())


def answers(path: Path, images: np.ndarray) -> np.ndarray:
    """The probabilities float32 (3, N, K) that the file gives images uint8 (N, C, H, W): once for each of `BATCHES`."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # which Windows' builds record
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def probabilities(batch: int) -> np.ndarray:
        parts = (images[first : first + batch] for first in range(0, len(images), batch))
        logits = np.concatenate([np.asarray(session.run([LOGITS], {IMAGE: part})[0]) for part in parts])
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    return np.stack([probabilities(batch) for batch in BATCHES])


class Graph:
    """The nodes of an ONNX graph and the tensors stored with it, made from plain operations, see `program`."""

    def __init__(self, numbers: np.ndarray):
        self.nodes: list[NodeProto] = []
        self.stored: list[TensorProto] = []
        self._numbers = numbers

    def add(self, operator: str, inputs: Sequence[str], output: str = "", /, **settings: Any) -> str:
        """Add a node; returns the name of its output, by default made of its number and operator."""
        import onnx

        output = output or f"{len(self.nodes) + 1}_{operator}"
        self.nodes.append(onnx.helper.make_node(operator, inputs, [output], name=output, **settings))
        return output

    def apply(self, operations: Sequence[Operation], last: str, shape: Sequence[int]) -> tuple[str, Sequence[int]]:
        """Add the operations, one after the other, behind `last` of `shape`: (C, H, W), or (D,) once flattened.

        Returns the last one's output and its shape.
        """
        for one in operations:
            channels, *sides = shape
            match one["do"]:
                case "affine":
                    place = (1, channels, *(1 for _ in sides))
                    last = self.add("Mul", [last, self._store("weights", one, *place)])
                    last = self.add("Add", [last, self._store("bias", one, *place)])
                case "pad":
                    edges = [0, 0, one["top"], one["left"], 0, 0, one["bottom"], one["right"]]
                    last = self.add("Pad", [last, self._keep("edges", np.array(edges, dtype=np.int64))])
                    shape = channels, sides[0] + one["top"] + one["bottom"], sides[1] + one["left"] + one["right"]
                case "conv":
                    side, stride, padding = one["kernel"], one["stride"], one["padding"]
                    weights = self._store("weights", one, one["filters"], channels, side, side)
                    inputs = [last, weights, self._store("bias", one, one["filters"])]
                    sizes = {"kernel_shape": [side] * 2, "strides": [stride] * 2, "pads": [padding] * 4}
                    last = self.add("Conv", inputs, **sizes)
                    shape = one["filters"], *((edge + 2 * padding - side) // stride + 1 for edge in sides)
                case "dense":
                    inputs = [last, self._store("weights", one, one["units"], channels)]
                    inputs.append(self._store("bias", one, one["units"]))
                    last, shape = self.add("Gemm", inputs, transB=1), (one["units"],)
                case "max" | "average" as kind:
                    sizes = {"kernel_shape": [one["size"]] * 2, "strides": [one["size"]] * 2}
                    last = self.add("MaxPool" if kind == "max" else "AveragePool", [last], **sizes)
                    shape = channels, *(edge // one["size"] for edge in sides)
                case "mean":
                    last, shape = self.add("GlobalAveragePool", [last]), (channels, 1, 1)
                case "flatten":
                    last, shape = self.add("Flatten", [last]), (int(np.prod(shape)),)
                case "join":
                    part, (more, *_) = self.apply(one["parts"], last, shape)
                    last, shape = self.add("Concat", [last, part], axis=1), (channels + more, *sides)
                case "silu":
                    last = self.add("Mul", [last, self.add("Sigmoid", [last])])
                case name:
                    operator, settings = FUNCTIONS[name]
                    last = self.add(operator, [last], **settings)
        return last, shape

    def _store(self, name: str, of: Operation, *shape: int) -> str:
        """Store the numbers of an operation in this shape; returns the tensor's name."""
        return self._keep(name, self._numbers[of[name] : of[name] + int(np.prod(shape))].reshape(shape))

    def _keep(self, name: str, values: np.ndarray) -> str:
        import onnx

        name = f"{len(self.nodes) + 1}_{name}"
        self.stored.append(onnx.numpy_helper.from_array(values, name))
        return name
