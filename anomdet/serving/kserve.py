"""The messages of the Open Inference Protocol, v2 of KServe, with images as BYTES and the binary extension.

Source: https://github.com/kserve/open-inference-protocol and Triton's ``extension_binary_data.md``.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from anomdet.inference.result import Result
from anomdet.serving.json_body import read_json
from anomdet.serving.refusal import Refusal
from anomdet.serving.settings import MAX_IMAGES

INPUT = "image"
_MAX_DIGITS = 20
HEADER_LENGTH = "inference-header-content-length"
# Name, type and shape of the outputs; K rows of all images, of which `image_index` says whose they are.
OUTPUTS = {
    "verdict": ("BYTES", [-1]),
    "part_score": ("FP32", [-1]),
    "bboxes_xyxy": ("FP32", [-1, 4]),
    "scores": ("FP32", [-1]),
    "class_nums": ("INT64", [-1]),
    "image_index": ("INT64", [-1]),
    "result": ("BYTES", [-1]),
}
_DTYPES = {"FP32": "<f4", "INT64": "<i8"}


_Size = Annotated[int, Field(ge=0, lt=2**31)]


class _Tensor(BaseModel):
    model_config = ConfigDict(extra="ignore")
    name: str
    datatype: str = "BYTES"
    shape: list[_Size] = Field(default_factory=list, max_length=8)
    parameters: dict[str, Any] = Field(default_factory=dict)
    data: list[str] | None = None


class _Wanted(BaseModel):
    model_config = ConfigDict(extra="ignore")
    name: str
    parameters: dict[str, Any] = Field(default_factory=dict)


class _Request(BaseModel):
    model_config = ConfigDict(extra="ignore")
    id: str | None = Field(default=None, max_length=1000)
    parameters: dict[str, Any] = Field(default_factory=dict)
    inputs: list[_Tensor]
    outputs: list[_Wanted] | None = None


@dataclass(frozen=True)
class InferRequest:
    """What a client asks.

    Args:
        id: comes back as it is.
        images: files' bytes.
        outputs: name to whether it is wanted as bytes behind the JSON.
        min_score: of the request's parameters.
    """

    id: str | None
    images: list[bytes]
    outputs: dict[str, bool]
    min_score: float | None


def read_request(body: bytes, header_length: str | None) -> InferRequest:
    """A request, of JSON or of JSON and bytes.

    Raises:
        Refusal: 400, with what was expected.
    """
    length = _length(header_length, len(body))
    try:
        request = read_json(_Request, body[:length])
    except Refusal as refusal:
        expected = f"one input, {INPUT} of BYTES, with image files (no pixels) in Base64 or behind the JSON"
        raise Refusal(400, f"expected {expected}: {refusal.message}") from None
    if len(request.inputs) != 1 or request.inputs[0].name != INPUT or request.inputs[0].datatype != "BYTES":
        got = ", ".join(f"{one.name} {one.datatype}" for one in request.inputs[:5])
        raise Refusal(400, f"expected one input, {INPUT} of BYTES, got {got[:100]!r}")
    images = _images(request.inputs[0], body[length:])
    shape = request.inputs[0].shape
    if not images or (shape and math.prod(shape) != len(images)):
        raise Refusal(400, f"expected as many images as the shape says, {shape!r:.100}, got {len(images)}")
    ignored = [name for one in request.inputs for name in one.parameters if "score" in name or "thr" in name]
    if ignored:
        raise Refusal(400, f"expected {ignored[0]!r:.100} among the parameters of the request, got it among an input's")
    return InferRequest(request.id, images, _outputs(request), _min_score(request.parameters))


def write_response(results: Sequence[Result], request: InferRequest, model: str, version: str) -> tuple[bytes, int]:
    """The body, and the length of its JSON part; 0: it is JSON alone."""
    tensors = _tensors(results)
    described, binary = [], b""
    for name, is_binary in request.outputs.items():
        values = tensors[name]
        entry: dict[str, Any] = {"name": name, "datatype": OUTPUTS[name][0], "shape": _shape(values)}
        if is_binary:
            raw = _raw(values, OUTPUTS[name][0])
            entry["parameters"] = {"binary_data_size": len(raw)}
            binary += raw
        else:
            entry["data"] = values if isinstance(values, list) else values.ravel().tolist()
        described.append(entry)
    answer = {"model_name": model, "model_version": version, "outputs": described}
    header = json.dumps(answer if request.id is None else {**answer, "id": request.id}, allow_nan=False).encode()
    return header + binary, len(header) if any(request.outputs.values()) else 0


def metadata(name: str, version: str, backend: str) -> dict[str, Any]:
    """Of a model."""
    outputs = [{"name": key, "datatype": kind, "shape": shape} for key, (kind, shape) in OUTPUTS.items()]
    inputs = [{"name": INPUT, "datatype": "BYTES", "shape": [-1]}]
    platform = f"anomdet_{backend}"
    return {"name": name, "versions": [version], "platform": platform, "inputs": inputs, "outputs": outputs}


def _length(given: str | None, most: int) -> int:
    if given is None:
        return most
    if not given.isascii() or not given.isdigit() or len(given) > _MAX_DIGITS or int(given) > most:
        raise Refusal(400, f"expected {HEADER_LENGTH} from 0 to {most}, got {given!r:.50}")
    return int(given)


def _images(tensor: _Tensor, binary: bytes) -> list[bytes]:
    if tensor.data is None:
        size = tensor.parameters.get("binary_data_size")
        if size is None:
            raise Refusal(400, f"expected data in Base64 in inputs.0 of {INPUT}, or binary_data_size, got neither")
        if size != len(binary) or isinstance(size, bool):
            raise Refusal(400, f"expected {size!r:.50} bytes behind the JSON, got {len(binary):,}")
        return _elements(binary)
    try:
        return [base64.b64decode(text, validate=True) for text in tensor.data]
    except (binascii.Error, ValueError):
        raise Refusal(400, f"expected images in Base64 in inputs.0.data of {INPUT}, or as binary data") from None


def _elements(binary: bytes) -> list[bytes]:
    """Of a tensor of BYTES: each is its length, four bytes, least first, and its bytes."""
    found: list[bytes] = []
    at = 0
    while at < len(binary):
        if len(found) == MAX_IMAGES:
            raise Refusal(413, f"expected at most {MAX_IMAGES} images in a request, got more")
        (size,) = struct.unpack_from("<I", binary, at) if at + 4 <= len(binary) else (len(binary),)
        if at + 4 + size > len(binary):
            raise Refusal(400, "expected elements with their lengths behind the JSON, got one that is cut")
        found.append(binary[at + 4 : at + 4 + size])
        at += 4 + size
    return found


def _outputs(request: _Request) -> dict[str, bool]:
    all_binary = request.parameters.get("binary_data_output") is True
    if not request.outputs:
        return dict.fromkeys(OUTPUTS, all_binary)
    unknown = [wanted.name for wanted in request.outputs if wanted.name not in OUTPUTS]
    if unknown:
        raise Refusal(400, f"expected outputs of {', '.join(OUTPUTS)}, got {unknown[0]!r:.100}")
    return {wanted.name: wanted.parameters.get("binary_data", all_binary) is True for wanted in request.outputs}


def _min_score(parameters: dict[str, Any]) -> float | None:
    value = parameters.get("min_score")
    other = next((name for name in parameters if name != "min_score" and ("score" in name or "thr" in name)), None)
    if other is not None:
        said = "expected min_score among the parameters, got"
        raise Refusal(400, f"{said} {other!r:.100}; the threshold is the model's")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise Refusal(400, f"expected the parameter min_score from 0 to 1, got {value!r:.50}")
    return float(value)


def _tensors(results: Sequence[Result]) -> dict[str, NDArray | list[str]]:
    counts = [len(result) for result in results]
    return {
        "verdict": [result.verdict for result in results],
        "part_score": np.array([result.part_score for result in results], np.float32),
        "bboxes_xyxy": np.concatenate([result.bboxes_xyxy for result in results]),
        "scores": np.concatenate([result.scores for result in results]),
        "class_nums": np.concatenate([result.class_nums for result in results]),
        "image_index": np.repeat(np.arange(len(results)), counts).astype(np.int64),
        "result": [result.to_json() for result in results],
    }


def _shape(values: NDArray | list[str]) -> list[int]:
    return [len(values)] if isinstance(values, list) else list(values.shape)


def _raw(values: NDArray | list[str], kind: str) -> bytes:
    if isinstance(values, list):
        texts = [text.encode() for text in values]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return values.astype(_DTYPES[kind]).tobytes()
