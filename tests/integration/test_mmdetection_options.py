"""The options of MMDetection's command lines, ``tools/train.py`` and ``tools/test.py``, in real runs."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from anomdet.cli import mmdet_tools
from tests.integration.conftest import Trained, named_files, run_command, weights

pytestmark = pytest.mark.slow


def run_tool(tool: Callable[[list[str]], None], *arguments: str | Path) -> None:
    with pytest.raises(SystemExit) as ended:
        tool([str(argument) for argument in arguments])
    assert not ended.value.code


def test_resume_continues_the_run_of_the_checkpoint_with_amp(trained: Trained, tmp_path: Path) -> None:
    """The file names the run: its best checkpoint and its epochs go on beside it."""
    copied, log_dir = tmp_path / "copied", tmp_path / "logs"
    shutil.copytree(trained.checkpoint_dir, copied)
    options = ("--cfg-options", "training.epochs=3", f"logging.log_dir={log_dir}")
    run_tool(mmdet_tools.train, trained.config, "--resume", copied / "last.pth", "--amp", *options)
    assert torch.load(copied / "last.pth", weights_only=True)["meta"]["epoch"] == 3
    assert "use_amp: true" in (log_dir / "settings.yaml").read_text()
    steps = [line for line in map(json.loads, (log_dir / "scalars.json").read_text().splitlines()) if "lr" in line]
    assert {step["epoch"] for step in steps} == {3}
    before, after = weights(trained.checkpoint_dir / "last.pth"), weights(copied / "last.pth")
    assert any(not torch.equal(before[key], after[key]) for key in before)


def test_out_and_show_dir_leave_the_pickle_and_the_images_of_the_split(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, drawn, log_dir = tmp_path / "found.pkl", tmp_path / "drawn", tmp_path / "logs"
    files = (trained.config, trained.checkpoint_dir / "best_model.pth", "--out", out, "--show-dir", drawn)
    run_tool(mmdet_tools.test, *files, "--cfg-options", f"logging.log_dir={log_dir}", "evaluation.resamples=0")
    written = named_files(capsys.readouterr().out)
    assert out in written
    truth = json.loads((log_dir / "evaluation" / "ground_truth.json").read_text())
    ours = json.loads((log_dir / "evaluation" / "predictions.json").read_text())
    found = {Path(one["img_path"]).name: one["pred_instances"] for one in pickle.loads(out.read_bytes())}
    names = {image["id"]: Path(image["file_name"]).name for image in truth["images"]}
    assert found.keys() == set(names.values())
    for image_id, name in names.items():
        scores = sorted(one["score"] for one in ours if one["image_id"] == image_id)
        assert np.allclose(scores, np.sort(found[name]["scores"].numpy()), atol=1e-6)
    assert sum(len(one["scores"]) for one in found.values()) > 0
    images = [path for path in written if path.is_relative_to(drawn)]
    assert images
    for path in images:
        assert path.stat().st_size > 1000
    size = len(out.read_bytes())
    extra = f"metrics.extra=[{{type: DumpDetResults, out_file_path: '{out}'}}]"
    run_command("visualize", "-c", trained.config, f"logging.log_dir={log_dir}", "--limit", "1", extra)
    assert len(out.read_bytes()) == size  # drawing some images leaves the results of all


def test_tta_of_the_python_config_of_a_run_is_mirrored(trained: Trained, tmp_path: Path) -> None:
    files = (
        trained.log_dir / "config.py",
        trained.checkpoint_dir / "best_model.pth",
        "--tta",
        "--out",
        tmp_path / "out",
    )
    run_tool(mmdet_tools.test, *files, "--cfg-options", f"work_dir={tmp_path / 'logs'}", "evaluation.resamples=0")
    about = json.loads((tmp_path / "out" / "metrics.json").read_text())["about"]
    assert "horizontal" in about["tta"]
