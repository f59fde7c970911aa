from __future__ import annotations

import cv2
import numpy as np
import pytest

from anomdet.quality.health import pixels
from anomdet.quality.health.samples import NUM_NORMAL
from tests.unit.quality.health.conftest import health_of


def write(path, image):
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())


def test_means_are_those_of_the_whole_images(parts, parts_dir):
    assert parts["pixels"]["read"] == 60 and parts["pixels"]["unread"] == 0
    for point in parts["pixels"]["points"]:
        grey = cv2.imread(str(parts_dir / "images" / point["file_name"]), cv2.IMREAD_GRAYSCALE)
        assert point["mean"] == pytest.approx(grey.mean(), abs=0.06)
        assert point["contrast"] == pytest.approx(grey.std(), abs=0.06)
        assert point["normal"] == (not (parts_dir / "labels" / point["file_name"]).with_suffix(".txt").read_text())


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_a_reduced_decode_keeps_the_mean(make_data, suffix):
    data_dir = make_data({f"a{suffix}": ""}, size_hw=(1100, 1300))
    gradient = np.tile(np.linspace(0, 200, 1300).astype(np.uint8), (1100, 1))
    write(data_dir / f"images/a{suffix}", gradient)
    point = health_of(data_dir)["pixels"]["points"][0]
    assert point["mean"] == pytest.approx(gradient.mean(), abs=1)
    assert point["contrast"] == pytest.approx(gradient.std(), abs=1)


def test_16_bit_is_of_255_too(make_data):
    data_dir = make_data({"a.png": ""})
    write(data_dir / "images/a.png", np.full((40, 60), 32768, np.uint16))
    assert health_of(data_dir)["pixels"]["points"][0]["mean"] == pytest.approx(128, abs=1)


def test_blank_dark_and_bright_images_are_named(make_data):
    data_dir = make_data({f"{at:02}.png": "" for at in range(20)})
    noise = np.random.default_rng(1).integers(0, 20, (40, 60, 3), dtype=np.uint8)
    write(data_dir / "images/03.png", noise)
    write(data_dir / "images/11.png", 235 + noise)
    write(data_dir / "images/17.png", np.full((40, 60, 3), 127, np.uint8))
    found = {entry["file_name"]: entry["kind"] for entry in health_of(data_dir)["pixels"]["outliers"]}
    assert found == {"03.png": "dark", "11.png": "bright", "17.png": "blank"}


def test_a_blank_image_beside_the_sample_is_found(make_data, monkeypatch):
    monkeypatch.setattr(pixels, "SAMPLE", 5)
    monkeypatch.setattr(pixels, "SUSPECTS", 3)
    data_dir = make_data({f"{at:02}.png": "" for at in range(30)})
    write(data_dir / "images/08.png", np.full((40, 60, 3), 255, np.uint8))
    health = health_of(data_dir)
    assert health["pixels"]["read"] == 5 and 1 <= health["pixels"]["suspects"] <= 3
    assert [entry["file_name"] for entry in health["pixels"]["outliers"]] == ["08.png"]
    assert "08.png" not in [point["file_name"] for point in health["pixels"]["points"]]


def test_images_that_cannot_be_read_are_counted(make_data):
    data_dir = make_data({"a.png": "", "b.png": "", "c.jpg": ""})
    (data_dir / "images/a.png").write_bytes(b"")
    (data_dir / "images/b.png").write_bytes((data_dir / "images/b.png").read_bytes()[:200])
    health = health_of(data_dir)
    assert health["pixels"]["read"] == 1 and health["pixels"]["unread"] == 2


def test_samples_are_the_extremes_of_each_class(parts, parts_dir):
    boxes = {}
    for path in sorted((parts_dir / "labels").glob("*.txt")):
        for line in path.read_text().splitlines():
            num, *box = map(float, line.split())
            boxes.setdefault(int(num), []).append(box)
    classes = [entry for entry in parts["classes"] if entry["objects"]]
    order = list(dict.fromkeys(sample["class"] for sample in parts["samples"]))
    assert order[0] == classes[-1]["name"] and order[-1] is None  # the rarest first, normal images last
    for entry in classes:
        mine = np.array(boxes[entry["class_num"]])
        shown = {s["kind"]: s["bbox_xywh"][2:] for s in parts["samples"] if s["class"] == entry["name"]}
        areas = mine[:, 2:].prod(axis=1)
        assert np.prod(shown["smallest"]) == pytest.approx(areas.min(), abs=1)
        if "largest" in shown:
            assert np.prod(shown["largest"]) == pytest.approx(areas.max(), abs=1)
        longer = (mine[:, 2:].max(axis=1) / mine[:, 2:].min(axis=1)).max()
        assert max(max(wh) / min(wh) for wh in shown.values()) == pytest.approx(longer, rel=1e-3)
    normal = [sample for sample in parts["samples"] if sample["kind"] == "normal"]
    assert len(normal) == NUM_NORMAL
    assert all(not (parts_dir / "labels" / s["file_name"]).with_suffix(".txt").read_text() for s in normal)
    for sample in parts["samples"]:
        lines = (parts_dir / "labels" / sample["file_name"]).with_suffix(".txt").read_text().splitlines()
        assert len(sample["truth"]) == len(lines)
