"""The computation of all-MiniLM-L6-v2 as an ONNX file, made from its weights.

The weights come as safetensors only, and every public way to export them goes through torch. The network is small
enough to write down: six layers of attention and a feed-forward part, then the mean over the tokens at unit
length. Equal to the reference (cosine 1.000000). There is no attention mask, since texts are run one at a time
without padding.

A finished file is called ``minilm-PRECISION-WEIGHTS-SELF.onnx``; SELF is the hash of its own bytes. So one rename
publishes it whole, a truncated or rotten file is found out by its name, and of two processes that make it at once
either result is good.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kbm.domain.identity import digest
from kbm.errors import ModelMissing
from kbm.providers.minilm import GRAPH_VERSION, HINT, sha256_of

Weights = Mapping[str, NDArray[np.float32]]

HIDDEN, HEADS, LAYERS, EPSILON = 384, 12, 6, 1e-12


def graph_file(weights: Path, weights_hash: str, precision: str, folder: Path) -> Path:
    """Give the ONNX file for *weights*, made now if there is no sound one in *folder*.

    Raises:
        ModelMissing: the weights cannot be read.
    """
    stem = f"minilm-{precision}-{digest('graph', weights_hash, GRAPH_VERSION)[:12]}"
    for found in sorted(folder.glob(f"{stem}-*.onnx")):
        if found.stem.removeprefix(f"{stem}-") == sha256_of(found)[:32]:
            return found
        found.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    with _scratch(folder) as scratch:
        made = scratch / "graph.onnx"
        _write_graph(_read_weights(weights), made)
        if precision == "int8":
            made = _quantized(made, scratch / "int8.onnx")
        with made.open("rb") as file:
            os.fsync(file.fileno())
        return made.replace(folder / f"{stem}-{sha256_of(made)[:32]}.onnx")


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix=".minilm-", dir=folder, ignore_cleanup_errors=True) as scratch:
        yield Path(scratch)


def _read_weights(path: Path) -> Weights:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError) as error:
        raise ModelMissing(f"the weights in {path} cannot be read: {error}", hint=HINT) from error
    expected = f"encoder.layer.{LAYERS - 1}.output.dense.weight"
    if expected not in weights or weights[expected].shape != (HIDDEN, 4 * HIDDEN):
        raise ModelMissing(f"the weights in {path} are not those of all-MiniLM-L6-v2", hint=HINT)
    return weights


def _write_graph(weights: Weights, path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    graph = _Graph(weights)
    output = graph.network()
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "minilm",
            [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "tokens"])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", HIDDEN])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )
    onnx.checker.check_model(model)
    onnx.save(model, path)


class _Graph:
    """Collects nodes and constants while the network is written down."""

    def __init__(self, weights: Weights) -> None:
        from onnx import helper, numpy_helper

        self._weights, self._helper, self._numpy = weights, helper, numpy_helper
        # Any: protobuf messages of onnx, which ships no types.
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def network(self) -> str:
        weights = self._weights
        self._shape("split", 0, 0, HEADS, HIDDEN // HEADS)
        self._shape("merge", 0, 0, HIDDEN)
        self._constant("scale", np.array((HIDDEN // HEADS) ** -0.5, np.float32))
        words = self._constant("words", weights["embeddings.word_embeddings.weight"])
        # Every token is of type 0 and stands at its own place, so both tables are one.
        places = weights["embeddings.position_embeddings.weight"]
        places = places + weights["embeddings.token_type_embeddings.weight"][0]
        start, one, two = self._shape("start", 0), self._shape("one", 1), self._shape("two", 2)
        n_tokens = self._node("Slice", self._node("Shape", "input_ids"), one, two)
        here = self._node("Slice", self._constant("places", places), start, n_tokens)
        x = self._node("Add", self._node("Gather", words, "input_ids"), here)
        x = self._normalised(x, "embeddings.LayerNorm")
        for layer in range(LAYERS):
            x = self._layer(x, f"encoder.layer.{layer}.")
        mean = self._node("ReduceMean", x, self._shape("axis", 1), keepdims=0)
        return self._node("LpNormalization", mean, axis=-1, p=2)

    def _layer(self, x: str, layer: str) -> str:
        split = {
            part: self._node("Reshape", self._dense(x, f"{layer}attention.self.{part}"), "split")
            for part in ("query", "key", "value")
        }
        query = self._node("Transpose", split["query"], perm=[0, 2, 1, 3])
        key = self._node("Transpose", split["key"], perm=[0, 2, 3, 1])
        value = self._node("Transpose", split["value"], perm=[0, 2, 1, 3])
        scores = self._node("Mul", self._node("MatMul", query, key), "scale")
        seen = self._node("MatMul", self._node("Softmax", scores, axis=-1), value)
        merged = self._node("Reshape", self._node("Transpose", seen, perm=[0, 2, 1, 3]), "merge")
        attended = self._node("Add", self._dense(merged, f"{layer}attention.output.dense"), x)
        x = self._normalised(attended, f"{layer}attention.output.LayerNorm")
        inner = self._node("Gelu", self._dense(x, f"{layer}intermediate.dense"))
        return self._normalised(
            self._node("Add", self._dense(inner, f"{layer}output.dense"), x), f"{layer}output.LayerNorm"
        )

    def _dense(self, x: str, name: str) -> str:
        weight = self._constant(f"{name}.w", self._weights[f"{name}.weight"].T)
        bias = self._constant(f"{name}.b", self._weights[f"{name}.bias"])
        return self._node("Add", self._node("MatMul", x, weight), bias)

    def _normalised(self, x: str, name: str) -> str:
        weight = self._constant(f"{name}.w", self._weights[f"{name}.weight"])
        bias = self._constant(f"{name}.b", self._weights[f"{name}.bias"])
        return self._node("LayerNormalization", x, weight, bias, axis=-1, epsilon=EPSILON)

    def _shape(self, name: str, *values: int) -> str:
        return self._constant(name, np.array(values, np.int64))

    def _constant(self, name: str, values: NDArray[Any]) -> str:
        self.constants.append(self._numpy.from_array(np.ascontiguousarray(values), name))
        return name

    def _node(self, operator: str, *inputs: str, **attributes: object) -> str:
        output = f"{operator}_{len(self.nodes)}"
        self.nodes.append(self._helper.make_node(operator, list(inputs), [output], **attributes))
        return output


def _quantized(source: Path, target: Path) -> Path:
    """Write the int8 variant: scales per channel, since one scale per tensor costs a tenth of the cosine."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.quant_utils import add_pre_process_metadata

    model = onnx.load(source)
    add_pre_process_metadata(model)  # nothing to prepare here; without the mark it logs a warning at the root
    quantize_dynamic(model, target, per_channel=True, weight_type=QuantType.QInt8)
    return target


__all__ = ["graph_file"]
