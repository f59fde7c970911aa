"""Everything a client can see, over HTTP on this machine."""

from __future__ import annotations

import base64
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from anomdet.serving.settings import ServeSettings
from tests.unit.inference.fake_detector import image_bytes
from tests.unit.serving import malformed
from tests.unit.serving.host import ServedFake, Service, service

pytestmark = pytest.mark.slow  # seconds: not a part of `make test-fast`

TOKEN = "0123456789abcdefghij"  # of a test


@pytest.fixture(scope="module")
def plain() -> Iterator[Service]:
    """Two models; nothing is changed in it."""
    with service(ServeSettings(port=0, request_mb=0.5), fake=ServedFake, other=lambda: ServedFake(0.1)) as running:
        yield running


def test_an_image_is_judged_as_the_detector_judges_it(plain: Service) -> None:
    answer = plain.post("/predict", image_bytes(0.8))
    own = ServedFake().run([np.full((16, 16, 3), (204, 0, 0), np.uint8)])[0].to_dict()
    assert answer.status == 200
    assert {**answer.json, "times": 0} == {**own, "times": 0}
    assert set(answer.json["times"]) == {"read", "prepare", "network", "finish"}


def test_a_form_is_judged_and_its_file_name_only_repeated(plain: Service) -> None:
    boundary = "x42"
    head = 'Content-Disposition: form-data; name="file"; filename="/etc/passwd"\r\nContent-Type: image/png'
    other = f'--{boundary}\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
    body = (
        other.encode()
        + f"--{boundary}\r\n{head}\r\n\r\n".encode()
        + image_bytes(0.2)
        + f"\r\n--{boundary}--\r\n".encode()
    )
    answer = plain.post("/predict", body, f"multipart/form-data; boundary={boundary}")
    assert (answer.status, answer.json["verdict"], answer.json["image"]) == (200, "accept", "/etc/passwd")


def test_a_file_whose_name_is_no_ascii(plain: Service) -> None:
    """As requests sends it on urllib3 1.x (requests 4652)."""
    head = b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename*=utf-8''teil%C3%A4.png\r\n\r\n"
    answer = plain.post("/predict", head + image_bytes(0.2) + b"\r\n--x--\r\n", "multipart/form-data; boundary=x")
    assert (answer.status, answer.json["image"]) == (200, "teilä.png")


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (
            b"\xff\xd8\xff\xe0JFIF",
            "application/x-www-form-urlencoded",
            r"with --data-binary @part.png, with -d w",
        ),
        (b'{"image": "iVBORw0K"}', "application/json", r"tasks of Label Studio .*; an image is sent as it is"),
        (image_bytes(0.2), "multipart/form-data", r"with a boundary, got none; leave out the header Content-Type"),
        (base64.b64encode(image_bytes(0.2)), "image/png", r"an image in Base64; decode it"),
        (
            b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nabc\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
            r"one file, got none \(a part is a file if it has a filename\)",
        ),
    ],
)
def test_an_image_that_is_sent_wrongly(plain: Service, body: bytes, kind: str, said: str) -> None:
    answer = plain.post("/predict", body, kind)
    assert answer.status == 400
    assert re.search(said, answer.json["error"])


def test_a_model_is_chosen_by_its_name(plain: Service) -> None:
    image = image_bytes(0.3)
    assert plain.post("/predict", image).json["verdict"] == "accept"
    assert plain.post("/predict?model=other", image).json["verdict"] == "reject"
    assert plain.post("/models/other/predict", image).json["verdict"] == "reject"
    assert plain.post("/models/third/predict", image).status == 404
    assert [model["name"] for model in plain.ask("GET", "/models").json] == ["fake", "other"]
    assert "file" not in plain.ask("GET", "/models/other").json


def test_kserve(plain: Service) -> None:
    assert plain.ask("GET", "/v2/health/live").json == {"live": True}
    assert plain.ask("GET", "/v2/health/ready").status == 200
    for path in ("/v2/health/live", "/v2/health/ready", "/health"):  # load balancers ask for the head alone
        head = plain.ask("HEAD", path)
        assert (head.status, head.body) == (200, b"")
    version = plain.ask("GET", "/v2/models/other").json["versions"][0]
    assert plain.ask("GET", f"/v2/models/other/versions/{version}/ready").json["ready"]
    assert plain.ask("GET", "/v2/models/other/versions/old").status == 404
    data = [base64.b64encode(image_bytes(score)).decode() for score in (0.05, 0.3)]
    request = {"inputs": [{"name": "image", "shape": [2], "datatype": "BYTES", "data": data}]}
    answer = plain.post("/v2/models/other/infer", json.dumps(request), "application/json")
    tensors = {tensor["name"]: tensor["data"] for tensor in answer.json["outputs"]}
    assert tensors["verdict"] == ["accept", "reject"]
    assert tensors["part_score"] == pytest.approx([0.05, 0.3], abs=0.01)
    assert [model["state"] for model in plain.post("/v2/repository/index").json] == ["READY", "READY"]


def test_label_studio(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.png").write_bytes(image_bytes(0.9))
    inline = "data:image/png;base64," + base64.b64encode(image_bytes(0.1)).decode()
    with service(ServeSettings(port=0, images=tmp_path)) as running:
        assert running.ask("GET", "/health").json["status"] == "UP"
        version = running.post("/setup", json.dumps({"project": "1", "schema": "<View/>"}), "application/json").json
        tasks = [{"id": 1, "data": {"image": "/data/upload/1/a.png"}}, {"id": 2, "data": {"image": inline}}]
        answer = running.post("/predict", json.dumps({"tasks": tasks}), "application/json").json
        assert [len(found["result"]) for found in answer["results"]] == [1, 1]
        assert answer["results"][0]["score"] > 0.85
        assert {found["model_version"] for found in answer["results"]} == {version["model_version"]}
        config = '<View><Image name="image"/><RectangleLabels name="b" toName="image"><Label value="Dent"/>'
        for _ in range(2):  # is reported once
            request = {"tasks": tasks, "label_config": f"{config}</RectangleLabels></View>"}
            running.post("/predict", json.dumps(request), "application/json")
        assert caplog.text.count("the project of Label Studio has no label dent, scratch: it shows") == 1
        tasks[0]["data"]["image"] = "/etc/passwd"
        assert running.post("/predict", json.dumps({"tasks": tasks[:1]}), "application/json").status == 400
        # Label Studio sends all that were selected at once, and makes no prediction of an entry without a result.
        many = json.dumps({"tasks": [*tasks[1:] * 40, tasks[0]]})
        *found, without = running.post("/predict", many, "application/json").json["results"]
        assert [len(one["result"]) for one in found] == [1] * 40
        assert list(without) == ["error"] and "'/etc/passwd'" in without["error"]
        assert "1 of 41 tasks of Label Studio have no prediction: expected data:image/" in caplog.text
        answer = running.post("/predict", json.dumps({"tasks": tasks * 501}), "application/json")
        assert (answer.status, answer.json["error"]) == (
            413,
            "expected at most 1,000 tasks in a request, got 1,002; select fewer in Label Studio",
        )


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"", 400, "expected a readable image"),
        (b"no image", 400, "expected a readable image"),
        (image_bytes(0.5)[:-20], 400, "expected a readable image"),
        (image_bytes(0.5, size=1100), 413, "more than the limit of 1 megapixels; whoever runs"),
        (bytes(2**19 + 1), 413, "expected at most 524,288 bytes"),
    ],
)
def test_what_is_no_image_or_too_large_is_refused_with_the_reason(
    plain: Service, body: bytes, status: int, said: str
) -> None:
    answer = plain.post("/predict", body)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/json")
    assert said in answer.json["error"]


def test_a_body_of_unknown_length_is_counted_while_it_is_read(plain: Service) -> None:
    parts = (bytes(2**16) for _ in range(9))
    assert plain.ask("POST", "/predict", parts, {"Transfer-Encoding": "chunked"}).status == 413
    assert plain.ask("POST", "/predict", iter([image_bytes(0.5)]), {"Transfer-Encoding": "chunked"}).status == 200


def test_pixels_are_counted_by_the_header_before_any_is_decoded(
    plain: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise AssertionError("it was decoded")

    image = image_bytes(0.5, size=1100)
    monkeypatch.setattr(cv2, "imdecode", fail)
    assert plain.post("/predict", image).status == 413


def test_min_score_adds_detections_and_leaves_the_verdict(plain: Service) -> None:
    assert plain.post("/predict?min_score=0.01", image_bytes(0.3)).json["verdict"] == "accept"
    assert plain.post("/predict?min_score=1.5", image_bytes(0.3)).status == 400


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (
            "/predict?threshold=0.9",
            "expected min_score and model behind the question mark, got 'threshold'; the",
        ),
        ("/predict?minscore=0.1", "got 'minscore'"),
        ("/models/fake/predict?model=other", "expected min_score behind the question mark, got 'model'"),
    ],
)
def test_what_would_be_ignored_is_refused(plain: Service, path: str, said: str) -> None:
    """The client would believe that the verdict went by it."""
    answer = plain.post(path, image_bytes(0.6))
    assert answer.status == 400
    assert said in answer.json["error"]


def test_a_field_of_a_form_that_would_be_ignored_is_refused(plain: Service) -> None:
    head = b"--x\r\nContent-Disposition: form-data; name="
    form = head + b'"file"; filename="a.png"\r\n\r\n' + image_bytes(0.3) + b"\r\n"
    form += head + b'"min_score"\r\n\r\n0.05\r\n--x--\r\n'
    answer = plain.post("/predict", form, "multipart/form-data; boundary=x")
    assert answer.status == 400
    assert "expected min_score behind a question mark in the address" in answer.json["error"]


def test_a_token_is_asked_for_everywhere_but_at_probes_and_pages() -> None:
    with service(ServeSettings(port=0, token=TOKEN)) as running:
        for path in ("/predict", "/v2/models/fake/infer", "/setup", "/v2/repository/models/fake/load"):
            answer = running.post(path, image_bytes(0.5))
            assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        for path in ("/models", "/metrics", "/v2/models/fake"):
            assert running.ask("GET", path).status == 401
        for path in ("/", "/docs", "/openapi.json", "/health", "/v2/health/live", "/v2/health/ready"):
            assert running.ask("GET", path).status == 200
        assert running.post("/predict", image_bytes(0.5), Authorization="Bearer " + "x" * 20).status == 401
        assert running.post("/predict", image_bytes(0.5), Authorization=f"Basic {TOKEN}").status == 401
        assert running.post("/predict", image_bytes(0.5), Authorization=f"Bearer {TOKEN}").status == 200


def test_a_page_that_calls_itself_this_machine_is_not_answered(plain: Service) -> None:
    assert plain.ask("GET", "/models", headers={"Host": "evil.example"}).status == 421
    assert plain.ask("GET", "/models", headers={"Host": f"localhost:{plain.port}"}).status == 200


def test_more_than_the_queue_holds_gets_a_503_and_the_others_their_result() -> None:
    settings = ServeSettings(port=0, queue_size=3, batch_size=2)
    with service(settings, fake=lambda: ServedFake(delay_s=0.1)) as running, ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda _: running.post("/predict", image_bytes(0.9)), range(24)))
        statuses = [answer.status for answer in answers]
        assert set(statuses) == {200, 503}
        assert statuses.count(200) >= 3
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers if answer.status == 503)
        assert running.meter('anomdet_refused_total{reason="queue"}') == statuses.count(503)
        assert running.meter("anomdet_held_requests") == 0
        assert running.meter("anomdet_held_bytes") == 0


def test_bodies_in_memory_are_bounded_too() -> None:
    settings = ServeSettings(port=0, request_mb=0.01)
    with service(settings, fake=lambda: ServedFake(delay_s=0.3)) as running, ThreadPoolExecutor(20) as pool:
        image = image_bytes(0.9, ".bmp", 48)
        assert len(image) > 0.6 * settings.request_bytes
        statuses = [answer.status for answer in pool.map(lambda _: running.post("/predict", image), range(20))]
        assert statuses.count(200) >= settings.held_bytes // len(image)
        assert 503 in statuses


def test_a_network_that_takes_too_long_is_a_504() -> None:
    with service(ServeSettings(port=0, timeout_s=0.2), fake=lambda: Slow(0.0)) as running:
        answer = running.post("/predict", image_bytes(0.9))
        assert (answer.status, answer.headers["retry-after"]) == (504, "1")


class Slow(ServedFake):
    """Quick when it warms up, slow afterwards."""

    def run(self, prepared, *, min_score=None, most=None):
        self.delay_s = 0.0 if not self.batches else 0.6
        return super().run(prepared, min_score=min_score)


class Failing(ServedFake):
    """Fails at each image but the first."""

    def run(self, prepared, *, min_score=None, most=None):
        if self.batches:
            raise ValueError("secret of the network")
        return super().run(prepared, min_score=min_score)


def test_an_error_of_the_network_is_a_500_without_its_text() -> None:
    with service(fake=Failing) as running:
        answer = running.post("/predict", image_bytes(0.9))
        assert answer.status == 500
        assert b"secret" not in answer.body
        assert running.ask("GET", "/v2/health/live").status == 200


def test_a_request_that_does_not_arrive_is_a_408() -> None:
    with service(ServeSettings(port=0, timeout_s=0.3)) as running:
        head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc"
        with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
            connection.sendall(head)
            assert connection.recv(4096).startswith(b"HTTP/1.1 408")
        assert running.meter("anomdet_held_requests") == 0


def test_a_client_that_leaves_frees_its_place() -> None:
    with service() as running:
        with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
            connection.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc")
            wait_for(lambda: running.meter("anomdet_held_requests") == 1)
        wait_for(lambda: running.meter("anomdet_held_requests") == 0)


def wait_for(is_true: object, timeout_s: float = 10) -> None:
    end = time.monotonic() + timeout_s
    while not is_true():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_model_is_replaced_while_requests_run() -> None:
    """The old one answers those that it has begun, new requests get the new one, none fails."""
    opened: list[ServedFake] = []

    def opener() -> ServedFake:
        opened.append(
            ServedFake(thresholds=0.5 if not opened else 0.1, delay_s=0.005, sha256=f"{len(opened):012d}" * 5)
        )
        return opened[-1]

    with service(ServeSettings(port=0, token=TOKEN), fake=opener) as running, ThreadPoolExecutor(8) as pool:
        key, old = {"Authorization": f"Bearer {TOKEN}"}, running.desk.models.find("fake")
        stop, answers = threading.Event(), []

        def load() -> None:
            while not stop.is_set():
                answers.append(running.post("/predict", image_bytes(0.3), **key))

        tasks = [pool.submit(load) for _ in range(6)]
        time.sleep(0.3)
        reloaded = running.post("/v2/repository/models/fake/load", **key)
        time.sleep(0.3)
        stop.set()
        assert all(task.result() is None for task in tasks)
        assert reloaded.json == {"name": "fake", "version": "000000000001"}
        assert {answer.status for answer in answers} == {200}
        assert answers[0].json["verdict"] == "accept"
        assert running.post("/predict", image_bytes(0.3), **key).json["verdict"] == "reject"
        assert old.batcher.join(10), "the old one ends with its last request"


def test_a_model_that_cannot_be_opened_again_serves_on() -> None:
    opened: list[ServedFake] = []

    def opener() -> ServedFake:
        if opened:
            raise OSError("/srv/secret/path")
        opened.append(ServedFake())
        return opened[-1]

    with service(ServeSettings(port=0, token=TOKEN), fake=opener) as running:
        key = {"Authorization": f"Bearer {TOKEN}"}
        answer = running.post("/v2/repository/models/fake/load", **key)
        assert (answer.status, b"secret" in answer.body) == (500, False)
        assert running.post("/predict", image_bytes(0.3), **key).status == 200
        assert running.post("/v2/repository/models/nobody/load", **key).status == 404


def test_it_is_not_reloaded_without_a_token(plain: Service) -> None:
    assert plain.post("/v2/repository/models/fake/load").status == 403


def test_metrics_count_verdicts_scores_and_seconds() -> None:
    with service() as running:
        for score in (0.2, 0.8, 0.9):
            running.post("/predict", image_bytes(score))
        running.post("/nowhere/12345")
        assert running.meter('anomdet_verdicts_total{model="fake",verdict="reject"}') == 2
        assert running.meter('anomdet_verdicts_total{model="fake",verdict="accept"}') == 1
        assert running.meter('anomdet_part_score_bucket{le="0.25",model="fake"}') == 1
        assert running.meter('anomdet_request_seconds_count{route="/predict"}') == 3
        assert running.meter('anomdet_requests_total{route="other",status="404"}') == 1
        assert running.meter('anomdet_stage_seconds_count{model="fake",stage="network"}') == 3


def test_a_service_that_stops_says_so_and_closes_each_connection_after_its_answer() -> None:
    with service() as running:
        running.desk.is_draining = True
        assert running.ask("GET", "/v2/health/ready").status == 503
        assert running.ask("HEAD", "/v2/health/ready").status == 503
        answer = running.post("/predict", image_bytes(0.5))
        assert (answer.status, answer.headers["connection"]) == (200, "close")


def test_the_pages_load_nothing_from_elsewhere(plain: Service) -> None:
    for path in ("/", "/docs"):
        answer = plain.ask("GET", path)
        assert answer.status == 200
        assert b"http://" not in answer.body
        assert b"https://" not in answer.body
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert b"/v2/models/{model}/infer" in plain.ask("GET", "/docs").body
    described = plain.ask("GET", "/openapi.json").json
    assert {"/predict", "/metrics", "/v2/models/{model}/infer", "/setup"} <= set(described["paths"])


def test_malformed_requests_get_a_4xx_each(plain: Service) -> None:
    """A few hundred of each kind in turn; benchmarks/serve.py sends ten thousand."""
    wrong = {}
    for kind, request in malformed.requests(15 * len(malformed.KINDS)):
        status = malformed.status_of(plain.port, request)
        if not 400 <= status < 500:
            wrong.setdefault(kind, []).append((status, request[:200]))
    assert not wrong
    assert plain.post("/predict", image_bytes(0.8)).status == 200
    assert plain.meter("anomdet_held_requests") == 0
