"""The health page from its JSON alone: sections, texts that are shown as they are, and a weight that is bounded."""

from __future__ import annotations

import copy
import json
import re

import numpy as np
import pytest

from anomdet.data.synth.generate import CLASSES, generate
from anomdet.quality.check.check import Rules, check_data
from anomdet.quality.health.plan import Plan
from anomdet.quality.health.report import measure_health
from anomdet.report.health_page import write_health_page
from anomdet.report.page import MAX_BYTES
from tests.unit.report.page import Element, Page
from tests.unit.report.test_write import HOSTILE

pytestmark = pytest.mark.slow  # seconds: not a part of `make test-fast`

SECTIONS = ["advice", "classes", "splits", "boxes", "positions", "images", "brightness", "samples", "findings"]


def picture(_name: str) -> np.ndarray:
    return np.full((120, 200, 3), 90, np.uint8)


def written(tmp_path, health, read_image=None) -> Element:
    path = write_health_page(health, tmp_path / "health.html", read_image=read_image)
    return Page(path.read_text(encoding="utf-8")).root


@pytest.fixture(scope="module")
def health(tmp_path_factory):
    """Of generated data with two faults, as it comes out of the JSON file."""
    data_dir = generate(tmp_path_factory.mktemp("data") / "data", num_images=40, size_hw=(120, 200)).data_dir
    first, second = sorted((data_dir / "labels").glob("*.txt"))[:2]
    first.write_text("1,10,10,20,20\n")
    second.write_text("2 190 10 20 20\n2 20 20 30 30\n")
    names = sorted(path.name for path in (data_dir / "images").iterdir())
    split_of = {name: ("train", "val", "test")[at % 3] for at, name in enumerate(names)}
    plan = Plan((128, 128), "faster_rcnn", True, "none", classes=CLASSES, split_of=split_of, ratios=(0.4, 0.3, 0.3))
    checked = check_data(data_dir, Rules(classes=CLASSES))
    measured = measure_health(checked, checked.findings, plan)
    measured["about"] = {"title": "Data health: parts", "created": "2026-01-05T13:20:00Z", "data_dir": str(data_dir)}
    return json.loads(json.dumps(measured))


@pytest.fixture(scope="module")
def page(health, tmp_path_factory):
    return written(tmp_path_factory.mktemp("page"), health, picture)


def test_all_sections_in_order(page):
    assert [section.attributes["id"] for section in page.all("section")] == SECTIONS
    assert [link.attributes["href"] for link in page.one("nav").all("a")] == [f"#{name}" for name in SECTIONS]
    assert page.one("h1").text == "Data health: parts"
    assert "2026-01-05 13:20 UTC" in page.one("header", class_="top").text


def test_nothing_is_loaded_from_elsewhere(health, tmp_path):
    written(tmp_path, health, picture)
    text = (tmp_path / "health.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    own = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert not re.search(r"(src|href)=\"(?!data:|#)", own)


def test_verdict_and_advice(page, health):
    assert page.one("p", class_="verdict").text == health["verdict"]
    links = page.one("ul", class_="severities").all("a")
    assert [link.attributes["data-code"] for link in links] == [one["code"] for one in health["findings"]["codes"]]
    assert [link.text.split()[1].rstrip("s:") for link in links][:2] == ["error", "warning"]  # the worst first
    shown = page.one("ol", class_="advice").all("li")
    assert [item.attributes["id"] for item in shown] == [f"advice-{one['code']}" for one in health["advice"]]
    for item, one in zip(shown, health["advice"], strict=True):
        assert one["text"] in item.text and one["why"] in item.text and one["settings"] in item.text


def test_tables_hold_the_numbers(page, health):
    rows = page.one("section", id="classes").one("tbody").all("tr")
    assert len(rows) == len(health["classes"])
    for row, entry in zip(rows, health["classes"], strict=True):
        cells = [cell.text.strip() for cell in row.all("td")]
        assert row.one("th").text == entry["name"]
        assert cells[:2] == [str(entry["class_num"]), str(entry["objects"])] and cells[3] == str(entry["images"])
        assert cells[4:7] == [str(entry["splits"][name]["objects"]) for name in ("train", "val", "test")]
    splits = page.one("section", id="splits")
    assert [row.all("td")[0].text for row in splits.one("tbody").all("tr")] == [
        str(values["images"]) for values in health["splits"].values()
    ]
    assert splits.one("tfoot").all("td")[0].text == "40"


def test_charts_draw_the_histograms(page, health):
    figures = {figure["key"]: figure for figure in json.loads(page.one("script", id="figures").text)}
    assert set(figures) == {"sides", "ratios", "map", "per-image", "grey"}
    counts = np.array(health["boxes"]["sides"]["all"])
    assert figures["sides"]["data"][0]["y"] == pytest.approx(100 * counts / counts.sum(), abs=1e-3)
    assert figures["map"]["data"][0]["z"] == health["positions"]["all"]
    assert [trace["visible"] for trace in figures["map"]["data"]][:2] == [True, False]
    assert sum(len(trace["x"]) for trace in figures["grey"]["data"]) == health["pixels"]["read"]
    for figure in figures.values():
        assert figure["layout"]["xaxis"] and page.one("p", id=f"summary-{figure['key']}").text


def test_samples_and_findings(page, health):
    cases = page.one("ul", id="cases").all("li")
    assert len(cases) == len(health["samples"])
    assert all(case.one("img").attributes["src"].startswith("data:image/jpeg;base64,") for case in cases)
    assert "prediction" not in page.one("section", id="samples").one("p", class_="legend").text
    listed = page.one("ul", id="finding-list").all("li")
    assert [item.one("b").text for item in listed] == [one["where"] for one in health["findings"]["listed"]]


def test_it_is_made_again_without_the_data(health, tmp_path):
    page = written(tmp_path, health)
    assert "written without images" in page.one("ul", id="cases").text


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_are_shown_as_they_are(health, tmp_path, text):
    hostile = copy.deepcopy(health)
    for one in (*hostile["classes"], *hostile["drawn"]):
        one["name"] = f"{text}{one['class_num']}"
    hostile["findings"]["listed"][0].update(where=text, message=text)
    hostile["samples"][0].update({"class": text, "file_name": text})
    hostile["pixels"]["points"][0]["file_name"] = text
    hostile["advice"][0].update(text=text, why=text, settings=text)
    page = written(tmp_path, hostile, picture)
    assert page.one("section", id="classes").one("tbody").all("th")[0].text.startswith(text)
    assert page.one("ul", id="finding-list").all("li")[0].one("b").text == text
    assert not page.all("img", src="x") and not page.all("b", onmouseover="alert(1)")
    scripts = [script.text for script in page.all("script")]
    assert not [script for script in scripts if script.strip() == "alert(1)"]


def test_bare(tmp_path):
    (tmp_path / "data/images").mkdir(parents=True)
    (tmp_path / "data/labels").mkdir()
    checked = check_data(tmp_path / "data", Rules())
    health = measure_health(checked, checked.findings, Plan((64, 64), "fcos", False, "none", splits_note="No splits."))
    page = written(tmp_path, health)
    assert [section.attributes["id"] for section in page.all("section")] == ["advice", "splits", "findings"]
    assert "no images" in page.one("ul", class_="severities").text


def test_the_page_stays_below_10_mb(health, tmp_path):
    """Pictures of noise, as large as JPEG gets, for 40 classes."""
    noise = np.random.default_rng(0).integers(0, 256, (1200, 1200, 3), dtype=np.uint8)
    large = copy.deepcopy(health)
    one = {**large["samples"][0], "size_hw": [1200, 1200], "bbox_xywh": [300, 300, 500, 500]}
    large["samples"] = [one] * 166
    written(tmp_path, large, lambda _name: noise)
    assert (tmp_path / "health.html").stat().st_size <= MAX_BYTES


UNUSABLE = {
    "outside": (True, "1 900 900 20 20\n"),
    "without size": (True, "1 10 10 0 0\n"),
    "unreadable lines": (True, "1 ten 10 20 20\n"),
    "unreadable images": (False, "1 10 10 20 20\n"),
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_data_without_a_box_that_can_be_used_has_a_page(tmp_path, what):
    image_is_good, line = UNUSABLE[what]
    data_dir = generate(tmp_path / "data", num_images=12, size_hw=(120, 200)).data_dir
    for path in (data_dir / "labels").iterdir():
        path.write_text(line)
    for path in (data_dir / "images").iterdir() if not image_is_good else ():
        path.write_bytes(b"no image")
    checked = check_data(data_dir, Rules())
    measured = measure_health(checked, checked.findings, Plan((128, 128), "faster_rcnn", True, "none"))
    assert measured["boxes"]["num"] == 0 and measured["counts"]["defective"] == 12
    root = written(tmp_path, json.loads(json.dumps(measured, allow_nan=False)), picture)
    assert "The 12 that have labels have no box that can be used." in root.text
