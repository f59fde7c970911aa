"""The messages of the Open Inference Protocol, read by hand from its text."""

from __future__ import annotations

import base64
import json
import struct

import numpy as np
import pytest

from anomdet.inference.result import Result
from anomdet.serving.kserve import read_request, write_response
from anomdet.serving.refusal import Refusal

IMAGES = [b"first", b"", b"third image"]


def result(num: int) -> Result:
    """With so many boxes."""
    return Result(
        image=None,
        size_hw=(50, 60),
        bboxes_xyxy=np.array([[at, 1, at + 5, 9] for at in range(num)], np.float32).reshape(num, 4),
        scores=np.full(num, 0.5, np.float32),
        class_nums=np.arange(num) - 1,
        class_names=("a",) * num,
        part_score=0.5 if num else 0.0,
        verdict="reject" if num else "accept",
        threshold=0.5,
        times={},
        model_sha256="ab",
    )


def in_json(**more: object) -> bytes:
    """Images in Base64."""
    data = [base64.b64encode(image).decode() for image in IMAGES]
    tensor = {"name": "image", "shape": [3], "datatype": "BYTES", "data": data}
    return json.dumps({"id": "7", "inputs": [tensor], **more}).encode()


def in_binary(**more: object) -> tuple[bytes, str]:
    """Images behind the JSON."""
    raw = b"".join(struct.pack("<I", len(image)) + image for image in IMAGES)
    tensor = {"name": "image", "shape": [3, 1], "datatype": "BYTES", "parameters": {"binary_data_size": len(raw)}}
    header = json.dumps({"inputs": [tensor], **more}).encode()
    return header + raw, str(len(header))


def test_images_come_in_base64_or_behind_the_json() -> None:
    assert read_request(in_json(), None).images == IMAGES
    assert read_request(*in_binary()).images == IMAGES
    assert read_request(in_json(), None).id == "7"


def test_outputs_are_those_that_are_asked_for() -> None:
    one = read_request(
        in_json(outputs=[{"name": "verdict"}, {"name": "scores", "parameters": {"binary_data": True}}]), None
    )
    assert one.outputs == {"verdict": False, "scores": True}
    every = read_request(in_json(parameters={"binary_data_output": True, "min_score": 0.25}), None)
    assert all(every.outputs.values())
    assert every.min_score == 0.25


def test_the_rows_of_all_images_come_in_their_order_with_the_image_of_each() -> None:
    request = read_request(in_json(), None)
    body, length = write_response([result(2), result(0), result(1)], request, "m", "v1")
    answer = json.loads(body)
    tensors = {tensor["name"]: tensor for tensor in answer["outputs"]}
    assert length == 0
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("m", "v1", "7")
    assert tensors["verdict"]["data"] == ["reject", "accept", "reject"]
    assert tensors["image_index"]["data"] == [0, 0, 2]
    assert tensors["class_nums"]["data"] == [-1, 0, -1]
    assert tensors["bboxes_xyxy"]["shape"] == [3, 4]
    assert tensors["bboxes_xyxy"]["data"] == [0, 1, 5, 9, 1, 1, 6, 9, 0, 1, 5, 9]
    assert json.loads(tensors["result"]["data"][0])["verdict"] == "reject"


def test_binary_outputs_stand_behind_the_json_in_its_order() -> None:
    wanted = [{"name": name, "parameters": {"binary_data": True}} for name in ("class_nums", "verdict", "bboxes_xyxy")]
    request = read_request(in_json(outputs=wanted), None)
    body, length = write_response([result(1), result(0)], request, "m", "v1")
    sizes = [tensor["parameters"]["binary_data_size"] for tensor in json.loads(body[:length])["outputs"]]
    assert sizes == [8, 4 + 6 + 4 + 6, 16]
    raw = body[length:]
    assert struct.unpack("<q", raw[:8]) == (-1,)
    assert raw[8:28] == b"\x06\x00\x00\x00reject\x06\x00\x00\x00accept"
    assert struct.unpack("<4f", raw[28:]) == (0, 1, 5, 9)


@pytest.mark.parametrize(
    ("body", "length", "said"),
    [
        (b"", None, "Invalid JSON"),
        (b"[]", None, "valid dictionary|object"),
        (b'{"inputs": []}', None, "expected one input"),
        (b'{"inputs": [{"name": "image", "datatype": "FP32", "shape": [1]}]}', None, "of BYTES"),
        (b'{"inputs": [{"name": "image", "shape": [2], "data": ["YQ=="]}]}', None, "as many images"),
        (b'{"inputs": [{"name": "image", "shape": [0], "data": []}]}', None, "as many images"),
        (b'{"inputs": [{"name": "image", "shape": [1], "data": ["%"]}]}', None, "Base64"),
        (b'{"inputs": [{"name": "image", "shape": [1], "data": [3]}]}', None, "valid string"),
        (b'{"inputs": [{"name": "image", "shape": [1]}]}', None, "or binary_data_size, got neither"),
        (in_json(outputs=[{"name": "masks"}]), None, "expected outputs of"),
        (in_json(parameters={"min_score": "low"}), None, "min_score"),
        (in_json(parameters={"threshold": 0.9}), None, "the threshold is the model's"),
        (in_json(), "99999", "expected inference-header"),
        (in_json(), "-1", "expected inference-header"),
        (in_binary()[0][:-1], in_binary()[1], "bytes behind"),
    ],
)
def test_what_is_no_request_is_refused(body: bytes, length: str | None, said: str) -> None:
    with pytest.raises(Refusal, match=said) as caught:
        read_request(body, length)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("tensor", "more", "said"),
    [
        ({"datatype": "UINT8", "data": [1, 2]}, {}, r"image of BYTES, with image files \(no pixels\) .*valid string"),
        ({"data": [["a"]]}, {}, r"expected one input, image of BYTES, .*valid string"),  # Triton 4405
        ({"parameters": {"min_score": 0.1}}, {}, "'min_score' among the parameters of the request, got it among"),
        ({}, {"parameters": {"min_scores": 0.1}}, "expected min_score among the parameters, got 'min_scores'"),
        ({}, {"parameters": {"conf_thr": 0.1}}, "got 'conf_thr'; the threshold is the model's"),
    ],
)
def test_what_would_be_ignored_or_is_no_file_is_refused(tensor: dict, more: dict, said: str) -> None:
    image = {"name": "image", "shape": [1], "datatype": "BYTES", "data": ["AAAA"]}
    with pytest.raises(Refusal, match=said):
        read_request(json.dumps({"inputs": [{**image, **tensor}], **more}).encode(), None)


def test_an_element_longer_than_the_rest_is_refused() -> None:
    raw = struct.pack("<I", 2**32 - 1) + b"abc"
    tensor = {"name": "image", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": len(raw)}}
    header = json.dumps({"inputs": [tensor]}).encode()
    with pytest.raises(Refusal, match="one that is cut"):
        read_request(header + raw, str(len(header)))
