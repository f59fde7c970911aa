"""MMDetection's own tools on the configs and checkpoints of a run of ours."""

from __future__ import annotations

import inspect
import json
import os
import pickle
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import mmdet
import numpy as np
import pytest
import torch
import yaml

from tests.integration.conftest import ROOT, Trained, assert_same_weights, run_command, run_process

pytestmark = pytest.mark.slow
TOOLS = Path(mmdet.__file__).parent / ".mim" / "tools"


def test_mmdetections_train_gives_the_same_weights_and_no_warning_of_ours(trained: Trained, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "default", TOOLS / "train.py", trained.log_dir / "config.py"]
    command += ["--work-dir", tmp_path / "logs", "--cfg-options"]
    command += [f"default_hooks.checkpoint.out_dir={tmp_path / 'checkpoints'}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(map(str, command), cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    ours = [line for line in done.stderr.splitlines() if "/anomdet/" in line]
    assert not ours
    assert_same_weights(trained.checkpoint_dir / "last.pth", tmp_path / "checkpoints" / "last.pth")


@pytest.fixture(scope="module")
def results(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pickle that MMDetection's test.py leaves."""
    folder = tmp_path_factory.mktemp("tools")
    out = folder / "results.pkl"
    run_tool("tools/test.py", *run_files(trained), "--work-dir", folder / "w", "--out", out)
    return out


def run_tool(tool: str, *arguments: str | Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", sys.argv)
        run_command("mmdet", tool, *arguments)


def run_files(trained: Trained) -> tuple[Path, Path]:
    """CONFIG and CHECKPOINT as MMDetection's tools want them."""
    return trained.log_dir / "config.py", trained.checkpoint_dir / "best_model.pth"


def data_of(trained: Trained) -> Path:
    return Path(yaml.safe_load(trained.config.read_text())["data"]["data_dir"])


@pytest.fixture(scope="module")
def theirs(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's config for tools that look for MMDetection's own loading step."""
    page = (ROOT / "docs" / "mmdetection.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(_base_.*?)```", page, re.DOTALL)
    path = tmp_path_factory.mktemp("theirs") / "theirs.py"
    assert "logs/config.py" in code and "(640, 640)" in code
    path.write_text(code.replace("logs/config.py", str(run_files(trained)[0])).replace("(640, 640)", "(96, 96)"))
    return path


def test_test_py_predicts_what_evaluate_does(trained: Trained, results: Path, tmp_path: Path) -> None:
    found = {Path(one["img_path"]).name: one["pred_instances"] for one in pickle.loads(results.read_bytes())}
    run_command("evaluate", "-c", trained.config, f"logging.log_dir={tmp_path}", "evaluation.resamples=0")
    truth = json.loads((tmp_path / "evaluation" / "ground_truth.json").read_text())
    ours = json.loads((tmp_path / "evaluation" / "predictions.json").read_text())
    names = {image["id"]: Path(image["file_name"]).name for image in truth["images"]}
    assert set(found) == set(names.values())
    for image_id, name in names.items():
        scores = sorted(one["score"] for one in ours if one["image_id"] == image_id)
        assert np.allclose(scores, np.sort(found[name]["scores"].numpy()), atol=1e-6)


def test_browse_dataset(trained: Trained, tmp_path: Path) -> None:
    run_tool("browse_dataset.py", run_files(trained)[0], "--output-dir", tmp_path, "--not-show")
    assert len({path.stem for path in tmp_path.glob("part_*")}) == 16


def test_print_config(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    run_tool("misc/print_config.py", run_files(trained)[0])
    assert "runner_type = 'anomdet.InspectionRunner'" in capsys.readouterr().out


def test_get_flops(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    run_tool("get_flops.py", run_files(trained)[0], "--num-images", "1")
    assert "Input shape: (96, 96)" in capsys.readouterr().out


def test_benchmark(trained: Trained, tmp_path: Path) -> None:
    options = ("--max-iter", "4", "--num-warmup", "1", "--log-interval", "2", "--task", "dataset")
    run_tool("benchmark.py", run_files(trained)[0], *options, "--work-dir", tmp_path)
    assert "fps" in (tmp_path / "benchmark.log").read_text()


def test_analyze_logs(trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scalars = trained.log_dir / "scalars.json"
    run_tool("analyze_logs.py", "cal_train_time", scalars, "--include-outliers")
    assert "average iter time" in capsys.readouterr().out
    for key in ("loss", "mAP"):
        out = tmp_path / f"{key}.png"
        run_tool("analyze_logs.py", "plot_curve", scalars, "--keys", key, "--out", out, "--style", "default")
        assert out.stat().st_size > 1000


def test_analyze_results(trained: Trained, theirs: Path, results: Path, tmp_path: Path) -> None:
    run_tool("analyze_results.py", theirs, results, tmp_path, "--topk", "2")
    assert {path.name for path in tmp_path.iterdir()} >= {"good", "bad"}


def test_confusion_matrix(trained: Trained, results: Path, tmp_path: Path) -> None:
    run_tool("confusion_matrix.py", run_files(trained)[0], results, tmp_path)
    assert (tmp_path / "confusion_matrix.png").stat().st_size > 1000


def test_coco_error_analysis(trained: Trained, tmp_path: Path) -> None:
    log_dir = tmp_path / "logs"
    run_command("evaluate", "-c", trained.config, f"logging.log_dir={log_dir}", "evaluation.resamples=0")
    files = log_dir / "evaluation"
    options = (files / "predictions.json", tmp_path / "out", "--ann", files / "ground_truth.json", "--types", "bbox")
    # It forks processes of its own, and a test's process has threads, which a fork may find in the middle of something.
    run_process("-m", "anomdet", "mmdet", "coco_error_analysis.py", *options, cwd=ROOT)
    assert list((tmp_path / "out").rglob("*.png"))


def test_coco_occluded_metric_needs_masks(trained: Trained, results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_command("mmdet", "coco_occluded_separated_recall.py", results, code=1)
    assert "The results must be predicted by instance segmentation model" in capsys.readouterr().err


def test_publish_model(trained: Trained, tmp_path: Path) -> None:
    run_tool("publish_model.py", run_files(trained)[1], tmp_path / "published.pth")
    until = time.monotonic() + 20
    while not (found := list(tmp_path.glob("published-*.pth"))) and time.monotonic() < until:
        time.sleep(0.1)  # the tool moves the file in a process that it does not wait for
    (published,) = found
    assert torch.load(published, weights_only=True)["state_dict"].keys()


def test_init_detector_and_det_inferencer_find_what_our_detector_finds(trained: Trained, theirs: Path) -> None:
    from mmdet.apis import DetInferencer, inference_detector, init_detector

    import anomdet

    config, checkpoint = map(str, run_files(trained))
    image = sorted((data_of(trained) / "images").iterdir())[0]
    ours = sorted(anomdet.load(checkpoint)(image, min_score=0).scores.tolist())
    found = inference_detector(init_detector(config, checkpoint, device="cpu"), str(image)).pred_instances
    assert np.allclose(sorted(found.scores.tolist()), ours, atol=1e-4)
    inferencer = DetInferencer(model=str(theirs), weights=checkpoint, device="cpu", show_progress=False)
    scores: list[float] = inferencer(str(image))["predictions"][0]["scores"]
    assert np.allclose(sorted(scores), ours, atol=1e-4)


def test_an_unknown_tool_is_named_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    run_command("mmdet", "tools/tets.py", code=2)
    assert "did you mean test.py?" in capsys.readouterr().err


def test_their_demo_is_not_installed() -> None:
    """What the page says of image_demo."""
    assert TOOLS.is_dir()
    assert not list(Path(mmdet.__file__).parent.rglob("image_demo.py"))


RUN_BY: dict[str, Callable[..., None]] = {
    "train": test_mmdetections_train_gives_the_same_weights_and_no_warning_of_ours,
    "test": test_test_py_predicts_what_evaluate_does,
    "browse_dataset": test_browse_dataset,
    "image_demo": test_their_demo_is_not_installed,
    "init_detector, inference_detector": test_init_detector_and_det_inferencer_find_what_our_detector_finds,
    "DetInferencer": test_init_detector_and_det_inferencer_find_what_our_detector_finds,
    "get_flops": test_get_flops,
    "benchmark": test_benchmark,
    "analyze_logs": test_analyze_logs,
    "analyze_results": test_analyze_results,
    "confusion_matrix": test_confusion_matrix,
    "coco_error_analysis": test_coco_error_analysis,
    "coco_occluded_metric": test_coco_occluded_metric_needs_masks,
    "publish_model": test_publish_model,
    "print_config": test_print_config,
}


def test_each_row_of_the_page_has_a_test_that_runs_its_command() -> None:
    page = (ROOT / "docs" / "mmdetection.md").read_text(encoding="utf-8")
    table = page.split("| tool | works | command |\n|---|---|---|\n", 1)[1].split("\n\n", 1)[0]
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()]
    assert [name.replace("`", "") for name, *_ in rows] == list(RUN_BY)
    for name, works, command in rows:
        source = source_of(RUN_BY[name.replace("`", "")])
        if works == "no":
            assert not re.search(r"anomdet mmdet|\.py", command), name
        elif tool := re.search(r"anomdet mmdet (\w+\.py) (.*?)`", command):
            assert re.search(rf"""(run_tool\(|"mmdet", )"([\w/]+/)?{tool[1]}\"""", source), (
                f"{name}: no test runs {tool[1]}"
            )
            options = [word for word in tool[2].split() if word.startswith("--")]
            assert all(f'"{option}"' in source for option in options), f"{name}: other options than {options}"
        elif tool := re.search(r"\.mim/tools/(\w+\.py) (.*?)`", command):
            assert f'TOOLS / "{tool[1]}"' in source, name
        else:
            assert all(word in source for word in name.replace("`", "").split(", ")), name
            assert "import anomdet" in source


def source_of(test: Callable[..., None]) -> str:
    """Of a test and of the fixture with the results, if it takes it."""
    texts = [inspect.getsource(test)]
    if "results" in inspect.signature(test).parameters:
        texts.append(inspect.getsource(sys.modules[__name__]).split("def results(", 1)[1].split("\n\n\n", 1)[0])
    return "\n".join(texts)
