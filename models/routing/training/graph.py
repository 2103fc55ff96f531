"""The sentence encoder as an int8 ONNX graph: made from weights."""

from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
from onnx import TensorProto, numpy_helper

from models.encoding.graph import Graph
from models.encoding.weights import TOKENIZER, installed, read
from models.encoding.weights import Weights as Weights


def tokenizer_bytes() -> bytes:
    return (installed() / TOKENIZER).read_bytes()


def frozen_weights() -> Weights:
    """all-MiniLM-L6-v2, as it comes."""
    return read(installed())


def int8_graph(weights: Weights) -> bytes:
    """Matrices by output channel; what flows between them is quantised as it comes."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with TemporaryDirectory() as directory:
        exact, small = Path(directory) / "exact.onnx", Path(directory) / "small.onnx"
        exact.write_bytes(exact_graph(weights))
        quantize_dynamic(
            exact,
            small,
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=["MatMul", "Attention", "Gather"],
            extra_options={"DefaultTensorType": TensorProto.FLOAT},
        )
        return small.read_bytes()


def exact_graph(weights: Weights) -> bytes:
    """In float32, with its weights inside."""
    graph = Graph(weights)
    model = onnx.ModelProto()
    model.ParseFromString(graph.serialised())
    for tensor in model.graph.initializer:
        if tensor.name in graph.arrays:
            tensor.CopyFrom(numpy_helper.from_array(graph.arrays[tensor.name], tensor.name))
    return bytes(model.SerializeToString())
