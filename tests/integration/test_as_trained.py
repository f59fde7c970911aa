"""Network, image size, normalisation and classes come from the checkpoint; settings need only say where the data is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.conftest import Trained, run_command

Capture = pytest.CaptureFixture[str]
QUICK = ("evaluation.resamples=0", "evaluation.report=false", "metrics.score_threshold=0.05")


def test_settings_that_only_say_where_the_data_is(trained: Trained, data_dir: Path, tmp_path: Path) -> None:
    run_command("evaluate", "-c", trained.config, "--out", tmp_path / "own", *QUICK)
    bare = tmp_path / "bare.yaml"
    bare.write_text(f"data: {{data_dir: '{data_dir}', num_workers: 0}}\nlogging: {{log_dir: '{tmp_path / 'logs'}'}}\n")
    best = trained.checkpoint_dir / "best_model.pth"
    run_command("evaluate", "-c", bare, "--checkpoint", best, "--out", tmp_path / "bare", *QUICK)
    own, other = (json.loads((tmp_path / name / "predictions.json").read_text()) for name in ("own", "bare"))
    assert len(own) > 50
    key = ("image_id", "category_id")
    assert [[row[name] for name in key] for row in own] == [[row[name] for name in key] for row in other]
    assert [row["score"] for row in other] == pytest.approx([row["score"] for row in own], abs=1e-5)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.image_size=128", "data.image_size: expected [96, 96], as in training, got [128, 128]; leave it out: "),
        ("data.image_size=[96, 64]", "data.image_size: expected [96, 96], as in training, got [96, 64]"),
        ("data.normalize_mean=[0.5, 0.5, 0.5]", "data.normalize_mean: expected [0.485, 0.456, 0.406], as in training, "
         "got [0.5, 0.5, 0.5]"),
        ("data.normalize_std=[1, 1, 1]", "data.normalize_std: expected [0.229, 0.224, 0.225], as in training"),
        ("data.classes={1: a, 2: dent, 3: stain, 4: hole}", "data.classes: expected {1: 'scratch', 2: 'dent', 3: "
         "'stain', 4: 'hole'}, as in training, got {1: 'a', "),
        ("model={name: retinanet, pretrained: false}", "model.name: expected rtmdet_tiny, as in training, got retina"),
    ],
)  # fmt: skip
def test_another_value_is_refused_with_both(trained: Trained, override: str, message: str, capsys: Capture) -> None:
    run_command("evaluate", "-c", trained.config, *QUICK, override, code=2)
    assert message in capsys.readouterr().err


def test_another_network_that_the_weights_fit_is_warned_of(trained: Trained, tmp_path: Path, capsys: Capture) -> None:
    """What is measured is then not what predict and export go by."""
    for override, shown in (
        ("model.pretrained=false", ""),
        ("model.overrides.test_cfg={max_per_img: 1}", "1, not 100"),
    ):
        run_command("evaluate", "-c", trained.config, *QUICK, override, f"logging.log_dir={tmp_path}")
        shown_to_user = "".join(capsys.readouterr())
        said = f"the settings have another network than {trained.checkpoint_dir / 'best_model.pth'}, which predict and "
        assert (said + f"export go by: test_cfg.max_per_img: {shown}\n" in shown_to_user) == bool(shown)
        assert ("another network" in shown_to_user) == bool(shown)
