"""``anomdet review`` as a user runs it, and its page in a real browser."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from anomdet.data.index.scan import scan
from anomdet.data.synth.generate import generate
from anomdet.documents import read_decisions
from anomdet.errors import UserError
from anomdet.workflows.review import apply_decisions, review
from anomdet.workflows.review_unlabelled import choose_to_label
from anomdet.workflows.reviews.page import write_review_page
from tests.integration.conftest import CLASSES as CLASSES_OF_DATA
from tests.integration.conftest import Trained, run_command, write_settings
from tests.integration.test_report_page import CHROMEDRIVER, CHROMIUM, COLORS, browser  # noqa: F401 (a fixture)
from tests.unit.report.test_figures import contrast

needs_browser = pytest.mark.skipif(not (CHROMIUM and CHROMEDRIVER), reason="needs Chromium and its driver")


@pytest.fixture(scope="module")
def reviewed(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a review in two folds, of an epoch each."""
    folder = tmp_path_factory.mktemp("review")
    config = write_settings(folder, data_dir)
    run_command("review", "--config", config, "--folds", 2, "--out", folder / "review")
    return folder


def test_each_image_is_reviewed_once_by_a_detector_that_has_not_seen_it(reviewed: Path, data_dir: Path) -> None:
    index = scan(data_dir)
    seen: list[str] = []
    for number in ("1", "2"):
        lists = {
            split: set((reviewed / f"review/folds/{number}/splits/{split}.txt").read_text().split())
            for split in ("train", "val", "test")
        }
        assert not lists["test"] & (lists["train"] | lists["val"])
        assert not lists["train"] & lists["val"]
        assert set.union(*lists.values()) == set(index.columns.file_names())
        seen += lists["test"]
    assert sorted(seen) == sorted(index.columns.file_names())


def test_what_a_review_leaves(reviewed: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads((reviewed / "review/review.json").read_text())
    assert document["about"]["looks"] == [4, 4]  # mirrored, as its training showed them
    assert document["about"]["second_opinions"] == document["num_images"]
    assert document["num_images"] == len(scan(data_dir).records)
    assert document["num_labels"] == len(scan(data_dir).columns.class_nums)
    assert document["classes"] == {str(num): name for num, name in CLASSES_OF_DATA.items()}
    assert set(document["kinds"]) == {"missing", "class", "box", "unsupported", "double", "merged"}
    assert (reviewed / "review/suspects.csv").read_text().count("\n") == 1 + len(document["suspects"])
    assert (reviewed / "review/review.html").is_file()


def test_too_few_minutes_leave_nothing_behind(data_dir: Path, tmp_path: Path) -> None:
    """So that the same command with more of them runs."""
    config = write_settings(tmp_path, data_dir)
    run_command("review", "-c", config, "--folds", 2, "--minutes", 0.001, "--out", tmp_path / "review", code=2)
    assert not (tmp_path / "review").exists()


def test_a_checkpoint_reviews_what_it_did_not_learn_from(trained: Trained, tmp_path: Path) -> None:
    done = review(trained.config, out=tmp_path / "review", checkpoint=trained.checkpoint_dir / "last.pth")
    lists = [(trained.log_dir / f"splits/{split}.txt").read_text().split() for split in ("val", "test")]
    assert done.document["num_images"] == sum(map(len, lists))
    assert done.document["about"]["looks"] == [1] and done.document["about"]["second_opinions"] == 0
    assert {one["image"] for one in done.document["suspects"]} <= {name for names in lists for name in names}


def test_a_checkpoint_of_other_splits_is_refused(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="other images than its training split"):
        review(
            trained.config,
            ["data.split.seed=5"],
            out=tmp_path / "review",
            checkpoint=trained.checkpoint_dir / "last.pth",
        )
    assert not (tmp_path / "review").exists()


HOSTILE = "<img src=x onerror=window.hacked=1>.png"
CLASSES = {1: "scratch", 3: "\"><b onmouseover='window.hacked=1'>&amp;</script>"}


def suspect(number: int, kind: str, image: str, remove: list, add: list, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "kind": kind,
        "manner": "",
        "probability": 0.9 - 0.1 * number,
        "hard_normal": False,
        "image": image,
        "size_wh": [400, 300],
        "score": 0.8,
        "remove": [{"class_num": num, "bbox_xywh": box} for num, box in remove],
        "add": [{"class_num": num, "bbox_xywh": box} for num, box in add],
        "labels": [],
        **more,
    }


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of four suspects of known content, one of 16 bit, one with a hostile name."""
    folder = tmp_path_factory.mktemp("page")
    names = ["a b#1.png", HOSTILE, "deep.png"]
    for name in names:
        (folder / "data/images").mkdir(parents=True, exist_ok=True)
        (folder / "data/labels").mkdir(exist_ok=True)
        pixels = np.full((300, 400), 90, np.uint8) if name != "deep.png" else np.full((300, 400), 40_000, np.uint16)
        (folder / "data/images" / name).write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
        text = "1 20 30 40 50\n3 200 100 60 60\n" if name == "a b#1.png" else ""
        (folder / "data/labels" / name).with_suffix(".txt").write_text(text)
    suspects = [
        suspect(0, "missing", HOSTILE, [], [(3, [50, 60, 30, 20])], hard_normal=True),
        suspect(1, "class", "a b#1.png", [(1, [20, 30, 40, 50])], [(3, [20, 30, 40, 50])]),
        suspect(2, "unsupported", "a b#1.png", [(3, [200, 100, 60, 60])], [], score=None),
        suspect(3, "missing", "deep.png", [], [(1, [5, 6, 30.125, 20])], probability=None),
    ]
    counts = {"missing": 2, "class": 1, "box": 0, "unsupported": 1, "double": 0, "merged": 0}
    document = {
        "version": 1,
        "review": "0123456789abcdef",
        "classes": {str(num): name for num, name in CLASSES.items()},
        "kinds": {kind: {"num_suspects": count} for kind, count in counts.items()},
        "suspects": suspects,
    }
    (folder / "review").mkdir()
    return write_review_page(document, scan(folder / "data"), folder / "review")


@pytest.fixture
def load(browser, page, tmp_path):  # noqa: F811
    """Opens the page; afterwards nothing may have been said in the console, and nothing of the data have run."""

    def open_page(width: int = 1280, scheme: str = "light"):
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
        browser.get(page.as_uri())
        return browser

    def forgets(driver) -> bool:
        """A page that follows at once may still see what was there: another process of the browser clears it."""
        driver.get(page.as_uri())
        driver.execute_script("localStorage.clear()")
        driver.get(page.as_uri())
        return text(driver, "progress").startswith("0 of 4 decided")

    WebDriverWait(browser, 10).until(forgets)
    browser.get_log("browser")
    yield open_page
    assert browser.execute_script("return window.hacked") is None
    assert browser.get_log("browser") == []


def text(driver, identifier: str) -> str:
    return driver.find_element("id", identifier).text


def press(driver, *keys: str) -> None:
    for key in keys:
        driver.find_element("tag name", "body").send_keys(key)


def downloaded(driver, path: Path) -> Path:
    """A file that the page saved, once it is whole: Chromium keeps its name with an empty file before."""
    WebDriverWait(driver, 30).until(lambda _: path.is_file() and path.stat().st_size > 0)
    return path


@needs_browser
def test_one_key_decides_and_the_next_one_comes(load) -> None:
    driver = load()
    assert text(driver, "what") == "Missing label"
    assert HOSTILE in text(driver, "facts")
    press(driver, "a")
    assert text(driver, "what") == "Wrong class"
    press(driver, "r", "s")
    assert text(driver, "progress") == "3 of 4 decided: 1 accepted, 1 rejected, 1 skipped"
    assert text(driver, "place") == "4 of 4"
    press(driver, "u", Keys.ARROW_LEFT)
    assert text(driver, "progress") == "2 of 4 decided: 1 accepted, 1 rejected, 0 skipped"
    assert text(driver, "place") == "2 of 4"
    pressed = driver.find_elements("css selector", "[data-decision][aria-pressed=true]")
    assert [one.get_attribute("data-decision") for one in pressed] == ["reject"]


@needs_browser
def test_decisions_are_kept_in_the_browser(load) -> None:
    press(load(), "a", "r")
    driver = load()
    assert text(driver, "progress") == "2 of 4 decided: 1 accepted, 1 rejected, 0 skipped"
    assert text(driver, "place") == "3 of 4", "it goes on where the last visit ended"


@needs_browser
def test_exported_decisions_make_the_corrected_copy(load, page: Path, tmp_path: Path) -> None:
    driver = load()
    press(driver, "a", "a", "r", "a", "e")
    path = tmp_path / "decisions.json"
    decisions = read_decisions(downloaded(driver, path))
    assert decisions["review"] == "0123456789abcdef"
    assert [one["decision"] for one in decisions["decisions"]] == ["accept", "accept", "reject", "accept"]
    assert decisions["hard_normals"] == []
    settings = {"data": {"data_dir": str(page.parents[1] / "data"), "classes": CLASSES}}
    done = apply_decisions(settings, decisions=path, out=tmp_path / "copy")
    labels = {name.name: name.read_text() for name in done.out_dir.glob("labels/*.txt")}
    assert labels["a b#1.txt"] == "3 200 100 60 60\n3 20 30 40 50\n"
    assert labels["deep.txt"] == "1 5 6 30.125 20\n"
    assert labels[Path(HOSTILE).with_suffix(".txt").name] == "3 50 60 30 20\n"


@needs_browser
def test_a_normal_image_is_a_hard_one_once_all_its_suspects_are_rejected(load, tmp_path: Path) -> None:
    driver = load()
    press(driver, "r", "r", "e")
    path = downloaded(driver, tmp_path / "decisions.json")
    assert read_decisions(path)["hard_normals"] == [HOSTILE]


FILTERS = {
    ("kind", "missing"): 2,
    ("kind", "class"): 1,
    ("class", "1"): 2,
    ("class", "3"): 3,
    ("show", "normal"): 1,
    ("show", "open"): 3,
    ("show", "accept"): 1,
    ("show", "skip"): 0,
}


@needs_browser
@pytest.mark.parametrize(("name", "value"), FILTERS)
def test_filters(load, name: str, value: str) -> None:
    driver = load()
    press(driver, "a")
    Select(driver.find_element("id", name)).select_by_value(value)
    number = FILTERS[name, value]
    assert text(driver, "place").endswith(f" of {number}" if number else "")
    assert bool(text(driver, "place")) == bool(number)
    assert driver.find_element("id", "nothing").is_displayed() == (number == 0)


@needs_browser
def test_the_image_and_its_boxes_are_shown(load) -> None:
    """Also one of 16 bit, as a JPEG of its own; near the box, or whole."""
    driver = load()
    for number in range(4):
        loaded = driver.execute_async_script(
            "const image = new Image(); image.onload = () => arguments[0](image.naturalWidth);"
            "image.onerror = () => arguments[0](0); image.src = document.querySelector('#stage image').href.baseVal"
        )
        assert loaded == 400, number
        press(driver, "j")
    press(driver, "k", "k")
    shown = driver.find_elements("css selector", "#stage rect.goes")
    assert [shown[0].get_attribute(name) for name in ("x", "y", "width", "height")] == ["20", "30", "40", "50"]
    near = driver.find_element("css selector", "#stage svg").get_dom_attribute("viewBox")
    press(driver, "z")
    whole = driver.find_element("css selector", "#stage svg").get_dom_attribute("viewBox")
    assert whole == "0 0 400 300" != near
    press(driver, "f")
    assert not driver.find_element("css selector", "#stage rect.goes").is_displayed()


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_and_nothing_sticks_out(load, scheme: str) -> None:
    driver = load(scheme=scheme)
    names = ["h1", "#progress", "#what", "#meaning", "#facts dt", "#facts dd", "[data-decision]", ".legend li"]
    for ink, ground in driver.execute_script(COLORS, names):
        assert contrast(ink, ground) >= 4.5
    driver = load(width=390, scheme=scheme)
    assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")


@needs_browser
def test_thousands_of_suspects_open_within_a_second(load, page: Path, tmp_path: Path) -> None:
    """By the browser's own clock of its work, which does not count the other programs of the machine."""
    driver = load()
    many = 10_000
    content = page.read_text(encoding="utf-8")
    start, end = '<script type="application/json" id="data">', "</script>"
    at = content.index(start) + len(start)
    stop = content.index(end, at)
    data = json.loads(content[at:stop])
    data["suspects"] = [{**data["suspects"][number % 4], "id": number} for number in range(many)]
    large = page.with_name("large.html")
    large.write_text(content[:at] + json.dumps(data).replace("<", "\\u003c") + content[stop:], encoding="utf-8")
    driver.execute_cdp_cmd("Performance.enable", {})
    driver.get(large.as_uri())
    assert text(driver, "place") == f"1 of {many:,}"
    press(driver, "a", "a")
    assert text(driver, "progress").startswith(f"2 of {many:,} decided")
    metrics = {one["name"]: one["value"] for one in driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]}
    assert metrics["ScriptDuration"] < 1.0


def test_apply_refuses_decisions_about_other_data(page: Path, tmp_path: Path) -> None:
    decision = {"id": 0, "image": "other.png", "kind": "missing", "decision": "accept", "remove": [], "add": []}
    path = tmp_path / "decisions.json"
    path.write_text(json.dumps({"version": 1, "review": "x", "decisions": [decision]}))
    config = tmp_path / "run.yaml"
    config.write_text(yaml.safe_dump({"data": {"data_dir": str(page.parents[1] / "data")}}))
    run_command("review", "-c", config, "--apply", path, "--out", tmp_path / "copy", code=2)
    assert not (tmp_path / "copy").exists()


def test_what_to_label_next(trained: Trained, tmp_path: Path) -> None:
    """Of near-duplicates one, of labelled images none; with the detector's boxes as Label Studio imports them."""
    generate(tmp_path / "made", num_images=12, size_hw=(96, 96), seed=77)
    new = tmp_path / "new"
    shutil.copytree(tmp_path / "made/images", new)
    some = sorted(path for path in new.iterdir())
    shutil.copyfile(some[0], new / "twin.jpg")
    settings = yaml.safe_load(trained.config.read_text())
    labelled = sorted((Path(settings["data"]["data_dir"]) / "images").iterdir())
    shutil.copyfile(labelled[0], new / "labelled.jpg")
    (new / "broken.jpg").write_bytes(b"none")
    checkpoint = trained.checkpoint_dir / "last.pth"
    done = choose_to_label(
        trained.config,
        ["metrics.score_threshold=0.05"],
        unlabelled=new,
        budget=100,
        out=tmp_path / "next",
        checkpoint=checkpoint,
    )
    names = [str(row["image"]) for row in done.rows]
    assert len(names) == len(set(names)) <= 12
    assert not {"labelled.jpg", "broken.jpg"} & set(names)
    assert len({some[0].name, "twin.jpg"} & set(names)) == 1
    assert all(row["reason"] for row in done.rows)
    page = (tmp_path / "next/to_label.html").read_text()
    assert page.count('<li id="rank-') == len(names) and all(f'href="../new/{name}"' in page for name in names)
    tasks = json.loads((tmp_path / "next/label_studio.json").read_text())
    assert len(tasks) == len(names)
    for task in tasks:
        (prediction,) = task["predictions"]
        assert "annotations" not in task
        for result in prediction["result"]:
            value = result["value"]
            assert 0 <= value["x"] <= value["x"] + value["width"] <= 100.01
            assert 0 <= result["score"] <= 1
            assert value["rectanglelabels"][0] in CLASSES_OF_DATA.values()
