"""Requests that are small, or slow to read, and cost the service far more than an image: refused, in bounded memory."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from anomdet.errors import Problem, UserError
from anomdet.serving import json_body
from anomdet.serving.kserve import read_request
from anomdet.serving.label_studio import Images, Tasks, read_names, read_tasks
from anomdet.serving.refusal import Refusal
from anomdet.serving.server import _Lingering
from tests.unit.inference.fake_detector import image_bytes
from tests.unit.serving.host import ServedFake, service


def seconds_of(work: Callable[[], Any]) -> float:
    start = time.process_time()
    with pytest.raises(Refusal):
        work()
    return time.process_time() - start


def infer(**tensor: object) -> bytes:
    return json.dumps({"inputs": [{"name": "image", "data": ["YQ=="], **tensor}]}).encode()


def test_a_shape_is_no_product_of_hundreds_of_thousands_of_numbers() -> None:
    """Its product had millions of digits, and kept the service from answering anyone for minutes."""
    assert seconds_of(lambda: read_request(infer(shape=[2**31 - 1] * 100_000), None)) < 1
    with pytest.raises(Refusal, match="at most 8 items"):
        read_request(infer(shape=[1] * 9), None)
    with pytest.raises(Refusal, match="less than 2147483648"):
        read_request(infer(shape=[2**31]), None)


@pytest.mark.parametrize("length", ["9" * 21, "9" * 5000])
def test_a_length_of_more_digits_than_an_integer_may_have(length: str) -> None:
    with pytest.raises(Refusal, match="expected inference-header-content-length"):
        read_request(infer(), length)


def test_an_id_that_comes_back_is_short() -> None:
    with pytest.raises(Refusal, match="id: String should have at most 1000 characters"):
        read_request(b'{"id": "%s", %s' % (b"x" * 1001, infer()[1:]), None)


@pytest.mark.parametrize("value", [b"{}", b"[]", b"0", b'""', b'{"data": {}}'])
def test_values_of_a_request_are_counted_before_they_are_made(value: bytes) -> None:
    """Of 32 MB of them, Python made 5 GB."""
    body = b'{"tasks": [' + b",".join([value] * (json_body._MAX_VALUES + 1)) + b"]}"
    with pytest.raises(Refusal, match=r"expected JSON of at most 200,000 values, got about \d"):
        read_tasks(body)
    assert isinstance(read_tasks(b'{"tasks": [' + b",".join([b'{"data": {}}'] * 1000) + b"]}"), Tasks)


def test_elements_behind_the_json_are_counted_while_they_are_cut() -> None:
    raw = bytes(4 * 1_000_000)
    head = json.dumps({"inputs": [{"name": "image", "parameters": {"binary_data_size": len(raw)}}]}).encode()
    with pytest.raises(Refusal, match="at most 16 images") as caught:
        read_request(head + raw, str(len(head)))
    assert caught.value.status == 413


@pytest.mark.parametrize("address", ["a/" * 1_000_000, "?" + "d=b&" * 1_000_000, "\\" * 1_000_000])
def test_a_long_address_is_not_taken_apart(tmp_path: Path, address: str) -> None:
    """Each end of it was looked up: a trillion bytes were copied for a request of 2 MB."""
    (tmp_path / "b").write_bytes(b"x")
    images = Images(tmp_path)
    assert seconds_of(lambda: images.read(address, 100)) < 1
    assert images.read("x/" * 2047 + "b", 100) == b"x"


def test_a_configuration_has_a_limit() -> None:
    with pytest.raises(Refusal, match="at most 1,048,576 characters"):
        read_names("<a>" + "<b/>" * 2**18 + "</a>")


def test_a_pipe_in_the_place_of_an_image_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    images = Images(tmp_path)
    assert images.read("a.png", 100) == b"x"
    (tmp_path / "a.png").unlink()
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(Refusal, match=r"a\.png: not a regular file"):
        images.read("a.png", 100)


@pytest.mark.slow
def test_few_images_are_in_memory_however_many_wait(tmp_path: Path) -> None:
    """Each request may name 16 files of the folder: they are read when their turn comes."""
    (tmp_path / "a.png").write_bytes(image_bytes(0.7))
    at_once, most = 0, 0

    class Counting(ServedFake):
        def prepare(self, image: Any, *, channels: str = "rgb") -> Any:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            return super().prepare(image, channels=channels)

        def run(self, prepared: Any, **options: Any) -> Any:
            nonlocal at_once
            time.sleep(0.01)
            at_once -= len(prepared)
            return super().run(prepared, **options)

    with service(fake=Counting) as running:
        desk = running.desk
        live = next(iter(desk.models))
        given = Images(tmp_path)

        async def ask() -> list[Any]:
            many = [desk.judge_all(None, [lambda: given.read("a.png", 10**6)] * 16) for _ in range(8)]
            return [one for results in await asyncio.gather(*many) for one in results]

        assert len(asyncio.run(ask())) == 128
        assert 8 <= most <= 3 * 8 + 2
        assert not live.places.locked()


def test_a_client_that_does_not_read_its_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answer stayed in memory, uncounted, for as long as the client liked."""
    now, cut = 0.0, []
    monkeypatch.setattr("anomdet.serving.server.time.monotonic", lambda: now)

    class Connection:
        def __init__(self, name: str, unread: Callable[[], int]) -> None:
            self.cycle = SimpleNamespace(response_complete=name not in ("busy", "many requests"))
            self.transport = SimpleNamespace(get_write_buffer_size=unread, abort=lambda: cut.append(name))

    stuck, busy = Connection("stuck", lambda: 1000), Connection("busy", lambda: 0)
    slow, many = Connection("slow", lambda: 1000 - int(now)), Connection("many requests", lambda: 65536)
    server = SimpleNamespace(server_state=SimpleNamespace(connections=[stuck, slow, busy, many]))
    lingering = _Lingering(server)  # type: ignore[arg-type]
    while now < 20:
        asyncio.run(lingering.close())
        now += 1
    assert set(cut) == {"stuck", "many requests"}


@pytest.mark.slow
def test_a_line_of_the_log_cannot_be_forged_and_no_host_of_the_client_comes_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(ServedFake):
        def run(self, prepared: Any, **options: Any) -> Any:
            if len(self.batches) > 0:
                raise KeyError("x\nERROR forged")
            return super().run(prepared, **options)

    with service(fake=Broken) as running:
        answer = running.post("/predict?min_score=x%0aERROR%20forged&min_score=0.5", image_bytes(0.5))
        assert (answer.status, answer.json) == (500, {"error": "an error of the service; see its log"})
        assert running.ask("GET", "/models/").status == 404
        assert "location" not in running.ask("GET", "/health/").headers
    said = [record.getMessage() for record in caplog.records if "unforeseen" in record.getMessage()]
    assert len(said) == 1
    assert "\n" not in said[0]


def test_an_image_of_too_many_tiles_is_refused_with_the_reason() -> None:
    class Tiled(ServedFake):
        def prepare(self, image: Any, *, channels: str = "rgb") -> Any:
            if len(image) > 16:  # the first image of a service is one of the network's size
                raise UserError(Problem("tiles of the detector", "at most 10,000 of this image", "539,121 tiles"))
            return super().prepare(image, channels=channels)

    with service(fake=Tiled) as running:
        answer = running.ask("POST", "/predict", image_bytes(0.5, size=32), {"Content-Type": "image/png"})
        assert answer.status == 413
        assert "at most 10,000 of this image" in answer.body.decode()
