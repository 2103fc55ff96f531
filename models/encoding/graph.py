"""The model as ONNX, built from its weights when it is loaded: nothing is exported, stored or kept in step.

Of the operators in `com.microsoft`, which onnxruntime has on every platform, one does a whole attention.
https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
"""

import os

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper

from models.encoding.encoder import DIMENSIONS, MAX_TOKENS, Run, Vectors
from models.encoding.weights import Weights

_LAYERS = 6
_HEADS = 12
_EPSILON = 1e-12
_MICROSOFT = "com.microsoft"
_OPSETS = {"": 20, _MICROSOFT: 1}
_IR_VERSION = 10
_ERRORS_ONLY = 3


def load_graph(weights: Weights, *, threads: int) -> Run:
    # Since 1.29 it reports to Microsoft, with an identifier that it keeps in the home directory, unless told
    # not to before it is imported: https://github.com/microsoft/onnxruntime/blob/main/docs/Privacy.md
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime as ort

    graph = Graph(weights)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    values = [ort.OrtValue.ortvalue_from_numpy(array) for array in graph.arrays.values()]
    options.add_external_initializers(list(graph.arrays), values)
    session = ort.InferenceSession(graph.serialised(), options, providers=["CPUExecutionProvider"])

    def run(ids: NDArray[np.int64], mask: NDArray[np.int32]) -> Vectors:
        (vectors,) = session.run(None, {"ids": ids, "mask": mask})
        return np.asarray(vectors, np.float32)

    return run


class Graph:
    """BERT, then the mean over the tokens, made one long. Each method adds nodes and names their output."""

    def __init__(self, weights: Weights) -> None:
        self.arrays: dict[str, NDArray[np.float32]] = {}
        """Handed over beside the graph: within it they would be copied three times."""
        self._weights = weights
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []
        states = self._embeddings()
        for layer in range(_LAYERS):
            states = self._layer(f"encoder.layer.{layer}.", states)
        self._pooled(states)

    def serialised(self) -> bytes:
        inputs = [
            helper.make_tensor_value_info("ids", TensorProto.INT64, ["texts", "tokens"]),
            helper.make_tensor_value_info("mask", TensorProto.INT32, ["texts", "tokens"]),
        ]
        output = helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["texts", DIMENSIONS])
        tensors = [_external(name, array) for name, array in self.arrays.items()]
        graph = helper.make_graph(self._nodes, "encoder", inputs, [output], tensors + self._constants)
        opsets = [helper.make_opsetid(domain, version) for domain, version in _OPSETS.items()]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        return bytes(model.SerializeToString())

    def _embeddings(self) -> str:
        name = "embeddings.{}_embeddings.weight".format
        # Every text is of type 0, so that type's vector is part of every position's.
        positions = self._weights[name("position")][:MAX_TOKENS] + self._weights[name("token_type")][0]
        words = self._node("Gather", self._array("words", self._weights[name("word")]), "ids")
        length = self._node("Shape", "ids", start=1, end=2)
        first = self._node("Slice", self._array("positions", positions), self._constant("start", 0), length)
        return self._node(
            "LayerNormalization",
            self._node("Add", words, first),
            self._weight("embeddings.LayerNorm.weight"),
            self._weight("embeddings.LayerNorm.bias"),
            epsilon=_EPSILON,
        )

    def _layer(self, prefix: str, states: str) -> str:
        attended = self._attention(prefix + "attention.self.", states)
        attended = self._joined(prefix + "attention.output.", attended, states)
        inner = self._product(prefix + "intermediate.dense.weight", attended)
        inner = self._node(
            "BiasGelu", inner, self._weight(prefix + "intermediate.dense.bias"), domain=_MICROSOFT
        )
        return self._joined(prefix + "output.", inner, attended)

    def _attention(self, prefix: str, states: str) -> str:
        parts = [prefix + part for part in ("query", "key", "value")]
        weight = np.concatenate([self._weights[part + ".weight"].T for part in parts], axis=1)
        bias = np.concatenate([self._weights[part + ".bias"] for part in parts])
        return self._node(
            "Attention",
            states,
            self._array(prefix + "weight", weight),
            self._array(prefix + "bias", bias),
            "mask",
            domain=_MICROSOFT,
            num_heads=_HEADS,
        )

    def _joined(self, prefix: str, states: str, skipped: str) -> str:
        """A dense layer, added to what went around it, normalised."""
        return self._node(
            "SkipLayerNormalization",
            self._product(prefix + "dense.weight", states),
            skipped,
            self._weight(prefix + "LayerNorm.weight"),
            self._weight(prefix + "LayerNorm.bias"),
            self._weight(prefix + "dense.bias"),
            domain=_MICROSOFT,
            epsilon=_EPSILON,
        )

    def _pooled(self, states: str) -> None:
        mask = self._node("Cast", "mask", to=TensorProto.FLOAT)
        column = self._node("Unsqueeze", mask, self._constant("last", 2))
        kept = self._node("Mul", states, column)
        # The mean points where the sum does.
        total = self._node("ReduceSum", kept, self._constant("tokens", 1), keepdims=0)
        self._node("LpNormalization", total, output="vectors", axis=-1, p=2)

    def _product(self, name: str, states: str) -> str:
        return self._node("MatMul", states, self._array(name, self._weights[name].T))

    def _weight(self, name: str) -> str:
        return self._array(name, self._weights[name])

    def _array(self, name: str, array: NDArray[np.float32]) -> str:
        self.arrays[name] = np.ascontiguousarray(array)
        return name

    def _constant(self, name: str, value: int) -> str:
        self._constants.append(helper.make_tensor(name, TensorProto.INT64, [1], [value]))
        return name

    def _node(
        self, operator: str, *inputs: str, domain: str = "", output: str = "", **settings: float
    ) -> str:
        name = output or f"{operator}.{len(self._nodes)}"
        attributes = [helper.make_attribute(key, value) for key, value in settings.items()]
        self._nodes.append(
            NodeProto(op_type=operator, input=inputs, output=[name], domain=domain, attribute=attributes)
        )
        return name


def _external(name: str, array: NDArray[np.float32]) -> TensorProto:
    tensor = TensorProto(
        name=name, dims=array.shape, data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL
    )
    tensor.external_data.add(key="location", value="beside")
    return tensor
