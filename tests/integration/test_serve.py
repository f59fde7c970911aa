"""``anomdet serve`` as a process of its own, on an exported detector and without PyTorch."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import anomdet
from tests.integration.conftest import ROOT, Trained, run_command
from tests.integration.test_export import _BLOCK

pytest.importorskip("onnxruntime")
pytest.importorskip("fastapi")
TOKEN = "0123456789abcdefghij"  # of a test


@pytest.fixture(scope="module")
def exported(trained: Trained, data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("serve") / "exported"
    run_command("export", trained.checkpoint_dir / "best_model.pth", "--out", folder, "--images", data_dir / "images")
    return folder


@contextmanager
def serving(*arguments: object) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The process and its port; torch cannot be imported in it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", _BLOCK, "serve", *map(str, arguments), "--port", "0", "--threads", "1"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        said = ""
        while not (found := re.search(r"listening on http://127\.0\.0\.1:(\d+)", said)):
            line = process.stdout.readline()  # type: ignore[union-attr]
            assert line, said
            said += line
        yield process, int(found[1])
    finally:
        process.kill()
        process.wait()


def ask(port: int, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET" if body is None else "POST", path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_it_says_what_predict_says_and_asks_for_the_token(exported: Path, data_dir: Path, tmp_path: Path) -> None:
    token = tmp_path / "token.txt"
    token.write_text(TOKEN, encoding="utf-8")
    detector = anomdet.load(exported)
    with serving(exported, f"second={exported}", "--token-file", token) as (process, port):
        for path in sorted((data_dir / "images").iterdir())[:4]:
            status, body = ask(port, "/predict", path.read_bytes(), Authorization=f"Bearer {TOKEN}")
            own = {**detector(path).to_dict(), "image": None, "times": None}
            assert status == 200
            assert {**json.loads(body), "times": None} == own
        assert ask(port, "/models")[0] == 401
        names = json.loads(ask(port, "/models", Authorization=f"Bearer {TOKEN}")[1])
        assert [model["name"] for model in names] == ["exported", "second"]
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)[0]
        assert process.returncode == 0, said


def test_hup_opens_the_models_again(exported: Path) -> None:
    with serving(exported) as (process, _):
        process.send_signal(signal.SIGHUP)
        assert "reloaded exported" in process.stdout.readline()  # type: ignore[union-attr]


def test_term_under_load_loses_no_request(exported: Path, data_dir: Path) -> None:
    """What was sent on a connection is answered; after that, connections are refused."""
    image = sorted((data_dir / "images").iterdir())[0].read_bytes()
    answered, lost = [], []

    def load(port: int) -> None:
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            try:
                connection.connect()
            except ConnectionRefusedError:
                return
            try:
                while True:
                    connection.request("POST", "/predict", image)
                    answer = connection.getresponse()
                    answered.append((answer.status, len(answer.read())))
                    if answer.getheader("connection") == "close":
                        break
            except (OSError, http.client.HTTPException) as error:
                lost.append(repr(error))
            finally:
                connection.close()

    with serving(exported) as (process, port):
        clients = [threading.Thread(target=load, args=(port,)) for _ in range(12)]
        for client in clients:
            client.start()
        time.sleep(1)
        before = len(answered)
        process.send_signal(signal.SIGTERM)
        for client in clients:
            client.join(60)
        said = process.communicate(timeout=60)[0]
        assert process.returncode == 0, said
    assert {status for status, _ in answered} == {200}
    assert len(answered) >= before + 12
    assert lost == []


def test_after_term_a_slow_client_is_answered_if_it_had_connected(exported: Path, data_dir: Path) -> None:
    image = sorted((data_dir / "images").iterdir())[0].read_bytes()
    with serving(exported) as (process, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.connect()
        process.send_signal(signal.SIGTERM)
        time.sleep(3)  # an answered connection is closed by now
        connection.request("POST", "/predict", image)
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("connection")) == (200, "close")
        answer.read()
        connection.close()
        said = process.communicate(timeout=60)[0]
        assert process.returncode == 0, said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing.pth"], "nothing.pth"),
        (["{model}", "{model}"], "a name for each model, got exported twice"),
        (["a b={model}"], "expected a name of letters"),
        (["{model}", "--port", "99999"], "--port: expected a number from 0 to 65,535"),
        (["{model}", "--host", "203.0.113.1"], "an address to listen on"),
        (["{model}", "--token-file", "none.txt"], "--token-file none.txt"),
        (["{model}", "--images", "none"], "--images: expected a folder"),
    ],
)
def test_what_cannot_be_served_is_said_at_once(exported: Path, arguments: list[str], said: str) -> None:
    given = [argument.replace("{model}", str(exported)) for argument in arguments]
    done = subprocess.run(
        [sys.executable, "-m", "anomdet.cli.main", "serve", *given],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
