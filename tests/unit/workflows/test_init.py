"""``anomdet init``: complete settings that load, or a refusal that leaves nothing behind."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from anomdet.config.describe import flat_keys
from anomdet.config.load import load_settings
from anomdet.data.synth.generate import generate
from anomdet.errors import UserError
from anomdet.quality.propose import machine
from anomdet.workflows.init import init

pytestmark = pytest.mark.slow  # seconds: not a part of `make test-fast`


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("init") / "data", num_images=40, size_hw=(96, 128)).data_dir


def draw(folder: Path, labels: dict[str, str], size_hw: tuple[int, int] = (64, 64)) -> Path:
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    for stem, text in labels.items():
        cv2.imwrite(str(folder / f"images/{stem}.png"), np.zeros((*size_hw, 3), np.uint8))
        (folder / f"labels/{stem}.txt").write_text(text)
    return folder


def test_every_key_is_written_and_the_choices_say_why(data_dir, tmp_path):
    out = tmp_path / "run.yaml"
    done = init(data_dir, out=out, device="cpu")
    text = out.read_text()
    settings = load_settings(out)
    branches = ("data.classes.", "data.split_files.", "data.tiles.", "model.overrides.", "training.scale_lr.")
    branches += ("evaluation.tta.",)
    values = yaml.safe_load(text)
    for key in (key for key in flat_keys() if not key.startswith(branches)):
        node = values
        for name in key.split("."):
            assert name in node, key
            node = node[name]
    assert settings.data.classes == {1: "1", 2: "2", 3: "3", 4: "4"}
    assert settings.data.image_size == (192, 256)  # twice their own, for the small boxes
    assert settings.model.backbone == "efficientnet_lite0"
    assert settings.data.train_split == 0.6
    assert re.search(r"# Chosen: no GPU here.*\n  name: rtmdet_tiny\n", text)
    assert "# 40 images, 13 of them normal" in text
    assert done.text.startswith("40 images, 13 of them normal; objects by class: 1: ")
    assert f"anomdet train --config {out}" in done.next_steps


def test_short_writes_the_same_settings_without_the_defaults(data_dir, tmp_path):
    init(data_dir, out=tmp_path / "long.yaml", device="cpu")
    init(data_dir, out=tmp_path / "short.yaml", device="cpu", short=True)
    long, short = (load_settings(tmp_path / f"{name}.yaml").model_dump() for name in ("long", "short"))
    assert short == long
    text = (tmp_path / "short.yaml").read_text()
    assert re.search(r"# no GPU here.*\n  name: rtmdet_tiny\n", text)
    assert "retinanet" not in text and "distributed" not in text and "resamples" not in text
    assert len(text.splitlines()) < 0.4 * len((tmp_path / "long.yaml").read_text().splitlines())
    assert "# 40 images, 13 of them normal" in text


def test_shares_are_not_chosen_beside_lists_of_the_splits(data_dir, tmp_path):
    names = sorted(path.name for path in (data_dir / "images").iterdir())
    parts = {"train": names[:30], "val": names[30:35], "test": names[35:]}
    for split, part in parts.items():
        (tmp_path / f"{split}.txt").write_text("\n".join(part))
    lists = [f"data.split_files.{split}={tmp_path / split}.txt" for split in parts]
    assert "train share" not in init(data_dir, lists, out=tmp_path / "lists.yaml", device="cpu").text
    assert "train share" in init(data_dir, out=tmp_path / "shares.yaml", device="cpu").text


def test_the_schedule_is_of_the_images_in_the_lists_beside_the_data(tmp_path):
    """By the shares that it would choose, 210 of 300 images: the run had a fifth of its steps."""
    folder = draw(tmp_path / "data", {f"{i:03}": f"{i % 2} 3 3 20 20\n" for i in range(300)})
    names = sorted(path.name for path in (folder / "images").iterdir())
    (folder / "splits").mkdir()
    for split, own in (("train", names[:40]), ("val", names[40:170]), ("test", names[170:])):
        (folder / f"splits/{split}.txt").write_text("\n".join(own))
    init(folder, out=tmp_path / "run.yaml", device="cpu")
    training = load_settings(tmp_path / "run.yaml").training
    assert training.epochs * (training.epoch_images or 40) == 2400 * 8
    assert "# Chosen: 40 images would be 5 steps, too short an epoch" in (tmp_path / "run.yaml").read_text()


def test_names_from_beside_the_data(tmp_path):
    folder = draw(tmp_path / "data", {str(i): f"{i % 2} 3 3 20 20\n" for i in range(6)})
    (folder / "classes.txt").write_text("dent\nhole: deep\n")
    done = init(folder, out=tmp_path / "run.yaml", device="cpu")
    assert load_settings(tmp_path / "run.yaml").data.classes == {0: "dent", 1: "hole: deep"}
    assert "0 (dent): 3, 1 (hole: deep): 3" in done.text


def test_what_the_user_says_is_not_chosen_again(data_dir, tmp_path):
    out = tmp_path / "run.yaml"
    given = ["training.epochs=7", "data.image_size=[64, 96]", "data.train_split=0.8", "data.val_split=0.1"]
    init(
        data_dir,
        [*given, "data.test_split=0.1", "data.augmentations=[]", "data.classes={1: a, 2: b, 3: c, 4: d}"],
        out=out,
    )
    settings = load_settings(out)
    assert settings.training.epochs == 7
    assert settings.data.image_size == (64, 96)
    assert settings.data.train_split == 0.8
    assert settings.data.augmentations == []
    assert settings.data.classes == {1: "a", 2: "b", 3: "c", 4: "d"}
    assert "  # Chosen: given on the command line\n  epochs: 7\n" in out.read_text()


def test_the_rest_is_chosen_around_what_the_user_says(data_dir, tmp_path):
    """40 images, 24 of them to train by the rule; a step of 8."""

    def chosen(name, *given):
        init(data_dir, given, out=tmp_path / f"{name}.yaml", device="cpu")
        return load_settings(tmp_path / f"{name}.yaml").training, (tmp_path / f"{name}.yaml").read_text()

    training, text = chosen("epochs", "training.epochs=30")
    assert training.val_interval == 3 and training.early_stopping.patience == 5
    assert "10 validations in all" in text and "of 10 validations" in text
    training, text = chosen("short", "training.epochs=3")
    assert training.early_stopping.patience == 3
    training, text = chosen("batch", "training.batch_size=16")
    assert training.accumulation_steps == 1 and training.epoch_images == 25 * 16
    assert "25 steps each, 2,400 in all" in text
    training, text = chosen("share", *(f"data.{key}_split={share}" for key, share in SHARES.items()))
    assert training.epoch_images == 25 * 8  # of 8 images
    training, text = chosen("method", "training.class_imbalance_handling.method=repeat_factor")
    assert training.class_imbalance_handling.normal_ratio is None and "not used by repeat_factor" in text


SHARES = {"train": 0.2, "val": 0.4, "test": 0.4}


def test_settings_that_say_how_the_data_is_read(tmp_path):
    folder = draw(tmp_path / "data", {str(i): "1 3 3 20 20\n" for i in range(4)})
    (folder / "labels/0.txt").unlink()
    with pytest.raises(UserError, match="missing_labels"):
        init(folder, out=tmp_path / "run.yaml", device="cpu")
    done = init(folder, ["data.missing_labels=normal"], out=tmp_path / "run.yaml", device="cpu")
    assert load_settings(tmp_path / "run.yaml").data.missing_labels == "normal"
    assert "4 images, 1 of them normal" in done.text
    with pytest.raises(UserError, match=r"more than the limit of 0\.001 megapixels"):
        init(folder, ["data.missing_labels=skip", "data.max_image_megapixels=0.001"], out=tmp_path / "b.yaml")
    with pytest.raises(UserError, match=r"training\.epoch"):
        init(folder, ["training.epoch=3"], out=tmp_path / "b.yaml")
    with pytest.raises(UserError, match="DATA_DIR alone"):
        init(folder, ["data.data_dir=x"], out=tmp_path / "b.yaml")


def test_a_gpu_gets_the_larger_network(data_dir, tmp_path, monkeypatch):
    out = tmp_path / "run.yaml"
    monkeypatch.setattr(machine, "_gpu", lambda: ("NVIDIA T4", 15.8))
    init(data_dir, out=out)
    settings = load_settings(out)
    assert settings.model.name == "fasterrcnn_resnet50_fpn"
    assert settings.training.use_amp
    assert "16 GB on the GPU" in out.read_text()


def test_device_gpu_is_believed(data_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "_gpu", lambda: (None, None))
    init(data_dir, out=tmp_path / "run.yaml", device="gpu")
    text = (tmp_path / "run.yaml").read_text()
    assert load_settings(tmp_path / "run.yaml").model.name == "fasterrcnn_resnet50_fpn"
    assert "memory unknown, 8 GB assumed" in text


def test_of_normal_images_alone_only_the_score_is_learned(tmp_path):
    done = init(draw(tmp_path / "data", dict.fromkeys("abcdef", "")), out=tmp_path / "run.yaml", device="cpu")
    settings = load_settings(tmp_path / "run.yaml")
    assert (settings.model.name, settings.anomaly.enabled, settings.data.classes) == (None, True, None)
    assert "! network       no object in any label file" in done.text


def test_normal_images_alone_have_no_epochs_to_plan(tmp_path):
    folder = draw(tmp_path / "data", dict.fromkeys("abcdef", ""))
    with pytest.raises(UserError, match="--minutes: expected none for a folder of normal images"):
        init(folder, out=tmp_path / "run.yaml", device="cpu", minutes=3.0)


BAD = {
    "no folders": ({}, r"expected a folder that holds images/ and labels/, got .*which is not there"),
    "one image": ({"a": "1 3 3 20 20\n"}, "expected at least 3 images, one each to train, validate and test, got 1"),
    "a bad line": ({"a": "1 3 x 20 20\n", "b": "", "c": ""}, r"labels/a\.txt:1: expected a finite number"),
    "two corners": (
        {str(i): f"1 {20 + i} {25 + i} {40 + i} {41 + i}\n1 5 6 {20 + i} {30 + i}\n" for i in range(20)},
        "two corners",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_data_with_problems_is_refused_and_nothing_written(tmp_path, case):
    labels, said = BAD[case]
    folder = draw(tmp_path / "data", labels) if labels else tmp_path / "data"
    with pytest.raises(UserError, match=said) as caught:
        init(folder, out=tmp_path / "run.yaml", device="cpu")
    assert "nothing was written" in str(caught.value) or not labels
    assert not (tmp_path / "run.yaml").exists()


@pytest.mark.parametrize("name", ["d\udcff", "a\x1b[2J", "a\nplugins: [evil]"])
def test_a_folder_that_settings_cannot_name(tmp_path, name):
    folder = draw(tmp_path / "data", {"a": "1 2 3 4 5\n"}).rename(tmp_path / name)
    with pytest.raises(UserError, match="a path in UTF-8 without control characters"):
        init(folder, out=tmp_path / "run.yaml", device="cpu")
    assert not (tmp_path / "run.yaml").exists()


def test_a_file_that_exists_is_left_alone(data_dir, tmp_path):
    out = tmp_path / "run.yaml"
    out.write_text("mine: 1\n")
    with pytest.raises(UserError, match="expected a new file, got one that exists; name another file with --out"):
        init(data_dir, out=out)
    assert out.read_text() == "mine: 1\n"


def test_all_wrong_arguments_at_once(data_dir, tmp_path):
    with pytest.raises(UserError) as caught:
        init(data_dir, out=tmp_path / "none" / "run.yaml", device="tpu")
    assert len(caught.value.problems) == 2
    with pytest.raises(UserError, match=r"a name that ends with \.yaml"):
        init(data_dir, out=tmp_path / "run.py")


def test_no_torch_is_imported(data_dir, tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\nfrom anomdet.workflows.init import init\n"
        "init(Path(sys.argv[1]), out=Path(sys.argv[2]))\n"
        "print([name for name in ('torch', 'mmengine', 'mmcv', 'mmdet', 'albumentations') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(data_dir), str(tmp_path / "run.yaml")]
    assert subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout == "[]\n"


def test_the_machine_is_seen():
    found = machine.look()
    assert found.cores >= 1
    if sys.platform.startswith("linux"):
        assert found.memory_gb is not None
        assert 0.05 < found.memory_gb < 100_000


def test_nvidia_smi_is_read(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA A100, PCIe, 40960'\n")
    tool.chmod(0o755)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert machine._gpu() == ("NVIDIA A100, PCIe", pytest.approx(42.95, abs=0.01))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert machine._gpu() == (None, None)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    tool.write_text("#!/bin/sh\necho 'No devices were found'\nexit 6\n")
    assert machine._gpu()[1] is None


def test_minutes_are_timed_here_and_written_with_their_plan(data_dir, tmp_path):
    out = tmp_path / "run.yaml"
    done = init(data_dir, ["data.num_workers=0", "data.image_size=64"], out=out, device="cpu", minutes=600)
    training = load_settings(out).training
    assert training.minutes == 600
    ((planned, epochs),) = re.findall(r"plan +([\d.]+) minutes: (\d+) epochs of [\d,]+ images", done.text)
    assert training.epochs == int(epochs)
    assert 570 < float(planned) <= 600
    assert "epochs  " not in done.text, "the preset's epochs do not hold"
    assert "Chosen: given by --minutes; timed here" in out.read_text()


@pytest.mark.parametrize("key", ["training.minutes=3", "training.epochs=3", "training.val_interval=1"])
def test_minutes_and_what_they_plan_are_not_given_both(data_dir, tmp_path, key):
    with pytest.raises(UserError, match=f"{key.split('=')[0]}: expected no value beside --minutes"):
        init(data_dir, [key], out=tmp_path / "run.yaml", minutes=5)
    assert not (tmp_path / "run.yaml").exists()


@pytest.mark.parametrize("minutes", [0, -1, float("nan"), float("inf")])
def test_minutes_are_a_number_above_zero(data_dir, tmp_path, minutes):
    with pytest.raises(UserError, match="--minutes: expected a number above 0"):
        init(data_dir, out=tmp_path / "run.yaml", minutes=minutes)


def test_a_time_too_short_for_what_the_data_calls_for_gets_a_smaller_size(tmp_path, monkeypatch):
    """A validation of all tiles may take longer than the run: a plan that fails is made again with the least."""
    from anomdet.engine.timing import Costs
    from anomdet.errors import Problem
    from anomdet.workflows import init as module
    from anomdet.workflows.timing.time_budget import Plan

    folder = draw(tmp_path / "data", {str(i): "1 9 9 5 30\n1 40 40 8 30\n" for i in range(9)}, (640, 640))
    seen = []

    def preview(found, minutes):
        seen.append(found.settings.data.image_size)
        if seen[-1] == 640:
            raise UserError(Problem("training.minutes", "at least 9", f"{minutes:g}"))
        return Plan(4, 80, 1, 5, minutes, Costs(1.0, 0.1, 0.1, 6), 40, 4)  # 320 images

    monkeypatch.setattr(module, "_preview", preview)
    out = tmp_path / "run.yaml"
    done = init(folder, out=out, device="cpu", minutes=2)
    assert seen == [640, 320, 320]  # the third with the mosaics that the time calls for
    assert load_settings(out).data.image_size == 320
    assert "640 would show the boxes better, but in so short a run 320 images teach more than 80" in done.text
    (line,) = [line for line in done.text.splitlines() if line[2:].startswith("plan ")]
    assert line.startswith("! ") and line.endswith(
        "only 320 images drawn in all, of which hardly anything is learned: give it more minutes"
    )
