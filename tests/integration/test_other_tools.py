"""What docs/evaluation.md says of other tools, where they are installed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.integration.conftest import ROOT, run_command


def test_supervision_reads_the_files(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's own lines, run on a perfect detector's results."""
    supervision = pytest.importorskip("supervision", reason="supervision is not installed")
    import json

    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(data_dir)
    run_command("convert", data_dir, "--from", "anomdet", "--to", "coco", "--out", tmp_path / "coco", "--no-images")
    truth = next(path for path in sorted((tmp_path / "coco").rglob("*.json")))
    annotations = json.loads(truth.read_text(encoding="utf-8"))["annotations"]
    keys = ("image_id", "category_id", "bbox")
    found = [{**{key: one[key] for key in keys}, "score": 0.9} for one in annotations]
    (tmp_path / "found.json").write_text(json.dumps(found), encoding="utf-8")
    quick = ("evaluation.resamples=0", "evaluation.report=false")
    run_command(
        *("evaluate", "--ground-truth", truth, "--predictions", tmp_path / "found.json"),
        *("--out", tmp_path / "logs" / "evaluation", *quick),
    )
    page = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
    code = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0]
    names: dict = {}
    exec(compile(code, "docs/evaluation.md", "exec"), names)
    metric = supervision.metrics.MeanAveragePrecision()
    for path, _, objects in names["truth"]:
        metric.update(names["detections"](names["boxes"][Path(path).name]), objects)
    assert metric.compute().map50_95 == pytest.approx(1, abs=1e-6)
