"""A checkpoint alone is a detector, and it finds what the evaluation found."""

from __future__ import annotations

import csv
import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml

from anomdet.errors import UserError
from anomdet.inference.result import Result
from anomdet.layout import BEST, PER_IMAGE_CSV, PREDICTIONS
from anomdet.workflows.load import load
from anomdet.workflows.predict import predict
from anomdet.workflows.predictions.job import PredictJob
from tests.integration.conftest import CLASSES, Trained, run_command, run_process

BATCH_SIZE = 4  # of the training, and so of the evaluation


def rows(results: list[Result]) -> list[list[float]]:
    """What predictions.json holds: the class, the corner, the size, the score."""
    found = []
    for result in results:
        boxes = result.bboxes_xyxy.astype(np.float64)
        xywh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
        columns = (result.class_nums.tolist(), xywh.tolist(), result.scores.astype(np.float64).tolist())
        found += [[num, *box, score] for num, box, score in zip(*columns, strict=True)]
    return found


@pytest.fixture(scope="module")
def evaluated(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of the test split, whose images are of three sizes."""
    data_dir = tmp_path_factory.mktemp("mixed") / "data"
    settings = yaml.safe_load(trained.config.read_text())
    shutil.copytree(settings["data"]["data_dir"], data_dir)
    for at, path in enumerate(sorted((data_dir / "images").iterdir())):
        pixels = cv2.imread(str(path))
        cut = (pixels, pixels[:50], pixels[:, :61])[at % 3]
        path.write_bytes(cv2.imencode(".png", cut)[1].tobytes())
        path.rename(path.with_suffix(".png"))
        (data_dir / "labels" / path.name).with_suffix(".txt").write_text(f"{at % 4 + 1} 5 5 20 20\n")
    folder = data_dir.parent / "evaluation"
    run_command(
        *("evaluate", "-c", trained.config, f"data.data_dir={data_dir}", "--out", folder),
        *(
            f"logging.log_dir={data_dir.parent / 'logs'}",
            "--checkpoint",
            trained.checkpoint_dir / BEST,
            "evaluation.report=false",
        ),
    )
    return folder


def predictions(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """By file name."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in json.loads((folder / PREDICTIONS).read_text()):
        found.setdefault(row["file_name"], []).append(row)
    return found


def names_of(folder: Path) -> list[str]:
    with (folder / PER_IMAGE_CSV).open() as file:
        return [row["file_name"] for row in csv.DictReader(file)]


@pytest.mark.slow
def test_the_evaluation_again_bit_for_bit(trained: Trained, evaluated: Path) -> None:
    detector = load(trained.checkpoint_dir / BEST)
    expected, images = predictions(evaluated), evaluated.parent / "data" / "images"
    names = sorted(expected)
    assert len(names) > 2
    results = []
    for start in range(0, len(names), BATCH_SIZE):
        paths = [images / name for name in names[start : start + BATCH_SIZE]]
        results += detector.predict_batch(paths, min_score=0.0)
    assert len({result.size_hw for result in results}) > 1, "sizes are mixed within a batch"
    theirs = [[row["category_id"], *row["bbox"], row["score"]] for name in names for row in expected[name]]
    assert rows(results) == theirs
    alone = [detector(images / name, min_score=0.0) for name in names]
    for one, other in zip(alone, results, strict=True):
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)
        np.testing.assert_allclose(one.bboxes_xyxy, other.bboxes_xyxy, atol=1e-3)


@pytest.mark.slow
def test_at_the_operating_point_the_same_detections_as_from_the_floor(trained: Trained, evaluated: Path) -> None:
    detector = load(trained.checkpoint_dir / BEST)
    score = np.median([row["score"] for many in predictions(evaluated).values() for row in many])
    detector = detector.with_threshold(float(score))
    paths = sorted((evaluated.parent / "data" / "images").iterdir())[:8]
    from_floor = [result.above_threshold() for result in detector.predict_batch(paths, min_score=0.0)]
    assert rows(detector.predict_batch(paths)) == rows(from_floor)
    assert sum(map(len, from_floor)) > 8


def test_the_file_alone_is_enough(trained: Trained, data_dir: Path, tmp_path: Path) -> None:
    shutil.copy(trained.checkpoint_dir / BEST, tmp_path / "model.pth")
    shutil.copy(next((data_dir / "images").iterdir()), tmp_path / "x.png")
    code = """
import sys
import anomdet
detector = anomdet.load("model.pth")
print(detector, detector("x.png").verdict in ("accept", "reject"))
print([name for name in ("mmdet.datasets", "pydantic", "albumentations", "anomdet.data") if name in sys.modules])
"""
    output = run_process("-c", code, cwd=tmp_path)
    assert output.splitlines() == ["<Detector rtmdet_tiny of scratch, dent, stain, hole; torch on cpu> True", "[]"]


def test_sent_to_another_process_it_is_the_same_detector(
    trained: Trained, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``multiprocessing.Pool().map(detector, paths)`` ended in "cannot pickle '_thread.lock' object"."""
    monkeypatch.chdir(trained.checkpoint_dir)
    detector = load(BEST, threshold=0.01)
    monkeypatch.chdir(data_dir)
    sent = pickle.loads(pickle.dumps(detector))
    image = sorted((data_dir / "images").iterdir())[0]
    assert sent is not detector
    assert rows([sent(image)]) == rows([detector(image)])
    assert (sent.thresholds, sent.sha256) == (0.01, detector.sha256)


def test_what_it_knows_of_itself(trained: Trained) -> None:
    detector = load(trained.checkpoint_dir / BEST)
    assert detector.classes == CLASSES
    assert detector.thresholds == 0.05, "the settings fixed it"
    assert (detector.info["size_hw"], detector.info["device"]) == ((96, 96), "cpu")


def changed(trained: Trained, path: Path, change: Any) -> Path:
    checkpoint = torch.load(trained.checkpoint_dir / BEST, weights_only=False)
    change(checkpoint)
    torch.save(checkpoint, path)
    return path


def _of_before(checkpoint: dict[str, Any]) -> None:
    del checkpoint["meta"]["inference"]


def _diverged(checkpoint: dict[str, Any]) -> None:
    checkpoint["state_dict"]["bbox_head.rtm_cls.0.bias"][0] = float("nan")


def _of_another_model(checkpoint: dict[str, Any]) -> None:
    checkpoint["meta"]["inference"]["model"]["config"]["bbox_head"]["num_classes"] = 9


def _of_fewer_classes(checkpoint: dict[str, Any]) -> None:
    inference = checkpoint["meta"]["inference"]
    inference["class_nums"], inference["class_names"] = inference["class_nums"][:-1], inference["class_names"][:-1]
    inference["operating_point"] = {"by": "fixed", "chosen_on": "settings", "score_threshold": 0.3}


def _of_more_classes(checkpoint: dict[str, Any]) -> None:
    """Of which none would ever be found."""
    inference = checkpoint["meta"]["inference"]
    inference["class_nums"], inference["class_names"] = [*inference["class_nums"], 99], [*inference["class_names"], "x"]
    inference["operating_point"] = {"by": "fixed", "chosen_on": "settings", "score_threshold": 0.3}


def _evil(checkpoint: dict[str, Any]) -> None:
    checkpoint["meta"]["inference"]["model"]["config"]["neck"]["type"] = "subprocess.Popen"


def _needs_a_file(checkpoint: dict[str, Any]) -> None:
    model = checkpoint["meta"]["inference"]["model"]
    model["config"]["backbone"] = {"type": "anomdet.FileBackbone", "file": "mine.py"}
    model["custom_file"] = {"key": "model.custom_backbone_file", "name": "mine.py", "sha256": "0" * 64}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_of_before, "expected a checkpoint that stands alone, got one without meta"),
        (_diverged, "expected finite weights, got 1 weights that are not finite"),
        (_of_another_model, "expected the weights of this model"),
        (_of_fewer_classes, rf"expected a network of {len(CLASSES) - 1} classes, got one of {len(CLASSES)}"),
        (_of_more_classes, rf"expected a network of {len(CLASSES) + 1} classes, got one of {len(CLASSES)}"),
        (_evil, r"model\.config\.neck\.type: expected the name of a registered class, got 'subprocess\.Popen'"),
        (_needs_a_file, r"if you trust the file: load\(\.\.\., custom_file='mine\.py'\)"),
    ],
)
def test_a_checkpoint_that_is_refused(trained: Trained, tmp_path: Path, change: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load(changed(trained, tmp_path / "bad.pth", change))


def test_a_custom_file_must_be_the_one_of_the_training(trained: Trained, tmp_path: Path) -> None:
    model = changed(trained, tmp_path / "model.pth", _needs_a_file)
    file = tmp_path / "mine.py"
    with pytest.raises(UserError, match="which is no file"):
        load(model, custom_file=file)
    file.write_text("raise SystemExit('it was run')\n")
    with pytest.raises(UserError, match=r"expected mine\.py of the training \(sha256 000000000000\), got another"):
        load(model, custom_file=file)
    cv2.imwrite(str(tmp_path / "part.png"), np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(UserError, match=r"got another content"):
        predict(PredictJob(model, (tmp_path / "part.png",), out=None, custom_file=file))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"backend": "tensorrt"}, "backend: expected auto or torch or onnx or openvino, got 'tensorrt'"),
        ({"device": "gpu"}, "device: expected auto, cpu, cuda or cuda:<number>, got 'gpu'"),
        ({"device": "meta"}, "device: expected auto, cpu, cuda or cuda:<number>, got 'meta'"),
        ({"device": "cuda:99"}, "device cuda:99: expected that GPU"),
        ({"device": 99}, "device cuda:99: expected that GPU"),
        ({"device": torch.device("meta")}, "device: expected auto, cpu, cuda or cuda:<number>, got 'meta'"),
        ({"threshold": {1: 0.5}}, "threshold: expected a score for each of"),
        ({"threads": 0}, "threads: expected a whole number from 1 on, or None, got 0"),
        ({"threads": 2}, r"threads: expected a folder that anomdet export wrote, got .*\.pth, which PyTorch runs"),
    ],
)
def test_an_argument_that_is_refused(trained: Trained, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load(trained.checkpoint_dir / BEST, **arguments)


def test_a_folder_that_is_not_there_is_reported_as_that_with_threads_too(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="exproted: expected a checkpoint file, got nothing there"):
        load(tmp_path / "exproted", threads=2)


def test_a_custom_file_beside_an_exported_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="custom_file: expected a checkpoint, got the folder"):
        load(tmp_path, custom_file="mine.py")


def test_a_network_without_its_folder_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"x")
    with pytest.raises(UserError, match="the whole exported folder, got a file of it; copy the whole folder that"):
        load(tmp_path / "model.onnx")
