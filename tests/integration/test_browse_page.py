"""``anomdet browse --page`` as a user runs it, and its page in a real browser."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlencode

import cv2
import numpy as np
import pytest
import yaml
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from anomdet.workflows.browse_page import browse_page
from tests.integration.conftest import ROOT, run_command
from tests.integration.test_report_page import CHROMEDRIVER, CHROMIUM, COLORS, browser  # noqa: F401 (a fixture)
from tests.unit.report.test_figures import contrast

needs_browser = pytest.mark.skipif(not (CHROMIUM and CHROMEDRIVER), reason="needs Chromium and its driver")
HOSTILE_NAME = "<img src=x onerror=window.hacked=1>.png"
HOSTILE_CLASS = "\"><b onmouseover='window.hacked=1'>&amp;</script>"
ODD_NAMES = (HOSTILE_NAME, "with space #1 %41?.png", "größe 零.png", "sub/folder/x&y.png", os.fsdecode(b"byte\xff.png"))
NAMES = (*ODD_NAMES, *(f"part_{number:02d}.jpg" for number in range(33)), "deep.png", "sheet.tif")
CLASSES = {1: "scratch", 3: HOSTILE_CLASS, 7: "dent"}
SIDE, TRAIN_SIDE = 400, 200
MANY = 3000


def label_text(number: int) -> str:
    """Boxes of a few classes and sizes; none in every fourth image; one of them reaches out, in every ninth."""
    if number % 4 == 0:
        return ""
    lines = [f"{(1, 3, 7)[number % 3]} 20 30 {4 + 3 * number} {9 + number}"]
    if number % 2:
        lines.append(f"7 {SIDE - 10 if number % 9 == 0 else 100} 200 40 64")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Settings of 40 images with names of every kind, in known splits."""
    folder = tmp_path_factory.mktemp("browse")
    rng = np.random.default_rng(0)
    names = sorted(NAMES)
    for number, name in enumerate(names):
        image, label = folder / "data/images" / name, (folder / "data/labels" / name).with_suffix(".txt")
        image.parent.mkdir(parents=True, exist_ok=True)
        label.parent.mkdir(parents=True, exist_ok=True)
        pixels = cv2.resize(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8), (SIDE, SIDE))
        if name == "deep.png":
            pixels = pixels.astype(np.uint16) * 257
        image.write_bytes(cv2.imencode(image.suffix, pixels)[1].tobytes())
        label.write_text(label_text(number))
    lists = {}
    plain = [name for name in names if "\udcff" not in name]
    for at, split in enumerate(("train", "val", "test")):
        lists[split] = str(folder / f"{split}.txt")
        Path(lists[split]).write_text("\n".join(plain[at::3]), encoding="utf-8")
    data = {"data_dir": str(folder / "data"), "image_size": TRAIN_SIDE, "classes": CLASSES, "split_files": lists}
    settings = {"data": data, "logging": {"log_dir": str(folder / "logs #1")}}
    (folder / "run.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return folder / "run.yaml"


@pytest.fixture(scope="module")
def page(config: Path) -> Path:
    (path,) = browse_page(config)
    return path


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of thousands of images, without thumbnails."""
    folder = tmp_path_factory.mktemp("many")
    for name in ("images", "labels"):
        (folder / "data" / name).mkdir(parents=True)
    image = folder / "one.jpg"
    image.write_bytes(cv2.imencode(".jpg", np.zeros((48, 64), np.uint8))[1].tobytes())
    for number in range(MANY):
        os.link(image, folder / f"data/images/{number:05d}.jpg")
        (folder / f"data/labels/{number:05d}.txt").write_text(f"{number % 5} 3 4 {5 + number % 11} 6\n")
    (path,) = browse_page(None, data=folder / "data", out=folder / "page")
    return path


@pytest.fixture
def load(browser, page):  # noqa: F811
    """Opens a page; afterwards nothing may have been said in the console, and nothing of the data have run."""

    def open_page(address: str = "", width: int = 1280, scheme: str = "light", path: Path = page):
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        browser.get("about:blank")
        browser.get(f"{path.as_uri()}#{address}")
        return browser

    browser.get_log("browser")
    yield open_page
    assert browser.execute_script("return window.hacked") is None
    assert browser.get_log("browser") == []


def found(browser) -> list[str]:  # noqa: F811
    """Names of the images that the page shows, in its order; a byte that is no UTF-8 comes as U+FFFD."""
    return browser.execute_script("return browse.grid.found().map((at) => browse.data.names[at].toWellFormed())")


def wait(browser, script: str, *arguments):  # noqa: F811
    """Until a script's answer is true; the answer."""
    return WebDriverWait(browser, 10).until(lambda one: one.execute_script(script, *arguments))


def truth(config: Path) -> dict[str, dict]:
    """What each image is, worked out from its label file and the lists alone."""
    settings = yaml.safe_load(config.read_text(encoding="utf-8"))["data"]
    images = Path(settings["data_dir"]) / "images"
    known = {}
    for path in sorted(path for path in images.rglob("*.*") if path.is_file()):
        name = path.relative_to(images).as_posix()
        lines = (images.parent / "labels" / name).with_suffix(".txt").read_text().split("\n")[:-1]
        rows = [[int(field) for field in line.split()] for line in lines]
        inside = [(min(x + w, SIDE) - x) * (min(y + h, SIDE) - y) for _, x, y, w, h in rows]
        known[name.replace("\udcff", "\ufffd")] = {
            "classes": {row[0] for row in rows},
            "num": len(rows),
            "smallest": round(min(inside) ** 0.5 * TRAIN_SIDE / SIDE, 1) if rows else None,
            "out": any(x + w > SIDE for _, x, _, w, _ in rows),
            "deep": name == "deep.png",  # the only one of 16 bit
        }
    for split, file in settings["split_files"].items():
        for name in Path(file).read_text(encoding="utf-8").split("\n"):
            known[name]["split"] = split
    return known


FILTERS = {
    "show=normal": lambda one: not one["num"],
    "show=boxes": lambda one: one["num"],
    "splits=val": lambda one: one.get("split") == "val",
    "splits=train,none": lambda one: one.get("split", "train") == "train",
    "classes=1": lambda one: 1 in one["classes"],
    "classes=1,7": lambda one: one["classes"] & {1, 7},
    "classes=1,7&every=1": lambda one: one["classes"] >= {1, 7},
    "to=16": lambda one: one["num"] and one["smallest"] < 16,
    "from=8&to=32": lambda one: one["num"] and 8 <= one["smallest"] < 32,
    "codes=box-reaches-out": lambda one: one["out"],
    "severity=warning": lambda one: one["out"] or one["deep"],
    "splits=test&classes=7&from=10": lambda one: (
        one.get("split") == "test" and 7 in one["classes"] and one["smallest"] >= 10
    ),
}


@needs_browser
@pytest.mark.parametrize("address", FILTERS)
def test_an_address_gives_what_python_computes(load, config, address):
    expected = {name for name, one in truth(config).items() if FILTERS[address](one)}
    assert 0 < len(expected) < 40
    shown = load(address)
    assert set(found(shown)) == expected
    assert shown.find_element(By.ID, "count").text == f"{len(expected)} of 40 images"


@needs_browser
def test_the_form_filters_and_the_address_follows(load, config):
    known = truth(config)
    shown = load()
    assert shown.find_element(By.ID, "count").text == "40 images"
    assert not shown.find_element(By.ID, "clear").is_displayed()
    shown.find_element(By.CSS_SELECTOR, "input[name=splits][value=train]").click()
    shown.find_element(By.CSS_SELECTOR, "input[name=classes][value='7']").click()
    shown.find_element(By.CSS_SELECTOR, "button[data-to='32']").click()
    fits = {
        name
        for name, one in known.items()
        if one.get("split") == "train" and 7 in one["classes"] and one["smallest"] < 32
    }
    assert set(found(shown)) == fits and fits
    shown.find_element(By.ID, "text").send_keys("PART 1")
    fits = {name for name in fits if "part" in name.lower() and "1" in name}
    assert set(found(shown)) == fits and fits
    assert shown.current_url.endswith("#text=PART+1&splits=train&classes=7&to=32")
    address = shown.current_url.partition("#")[2]
    assert set(found(load(address))) == fits
    assert shown.find_element(By.CSS_SELECTOR, "button[data-to='32']").get_attribute("aria-pressed") == "true"
    shown.find_element(By.ID, "clear").click()
    assert len(found(shown)) == 40 and shown.current_url.endswith("index.html")
    shown.find_element(By.ID, "text").send_keys("no such name")
    assert shown.find_element(By.ID, "nothing").is_displayed()


@needs_browser
def test_orders(load, config):
    known = truth(config)
    shown = load()
    Select(shown.find_element(By.ID, "sort")).select_by_value("boxes")
    shown.find_element(By.ID, "down").click()
    numbers = [known[name]["num"] for name in found(shown)]
    assert numbers == sorted(numbers, reverse=True)
    Select(shown.find_element(By.ID, "sort")).select_by_value("smallest")
    for sign in (-1, 1):
        sizes = [known[name]["smallest"] for name in found(shown)]
        some = [size for size in sizes if size is not None]
        assert some == sorted(some, key=lambda size, sign=sign: sign * size)
        assert sizes[len(some) :] == [None] * (len(sizes) - len(some))
        shown.find_element(By.ID, "down").click()


@needs_browser
def test_keys(load):
    shown = load()
    grid = shown.find_element(By.ID, "grid")
    assert shown.switch_to.active_element == grid
    current = "return browse.grid.current()"
    columns = shown.execute_script("return document.querySelectorAll('.cell[style*=\" 0px)\"]').length")
    assert columns >= 4
    for key, expected in (
        (Keys.ARROW_RIGHT, 1),
        ("j", 2),
        (Keys.ARROW_DOWN, 2 + columns),
        (Keys.ARROW_UP, 2),
        (Keys.ARROW_UP, 2),
        ("k", 1),
        (Keys.END, 39),
        (Keys.HOME, 0),
    ):
        grid.send_keys(key)
        assert shown.execute_script(current) == expected, key
        active = shown.find_element(By.ID, grid.get_attribute("aria-activedescendant"))
        assert active.get_attribute("aria-posinset") == str(expected + 1)
        assert active.get_attribute("aria-selected") == "true"
    grid.send_keys(Keys.ENTER)
    view, place = shown.find_element(By.ID, "view"), shown.find_element(By.ID, "view-place")
    assert view.is_displayed() and place.text == "1 of 40"
    names = found(shown)
    for key, expected in ((Keys.ARROW_RIGHT, 2), ("j", 3), (Keys.ARROW_LEFT, 2), ("k", 1), ("k", 1), (Keys.END, 40)):
        shown.switch_to.active_element.send_keys(key)
        assert place.text == f"{expected} of 40"
    shown.switch_to.active_element.send_keys("k")
    assert shown.find_element(By.ID, "view-title").text == " ".join(names[38].split())
    drawing = wait(shown, "return document.querySelector('#view .boxes')")
    shown.switch_to.active_element.send_keys("f")
    assert not drawing.is_displayed()
    shown.switch_to.active_element.send_keys("f")
    shown.switch_to.active_element.send_keys("?")
    assert shown.find_element(By.ID, "help").is_displayed()
    shown.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert view.is_displayed() and not shown.find_element(By.ID, "help").is_displayed()
    shown.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not view.is_displayed() and shown.switch_to.active_element == grid
    assert shown.execute_script(current) == 38
    grid.send_keys("/")
    assert shown.switch_to.active_element.get_attribute("id") == "text"
    shown.switch_to.active_element.send_keys("f/?")  # letters, while someone types
    assert shown.find_element(By.ID, "text").get_attribute("value") == "f/?"
    assert not shown.find_element(By.ID, "help").is_displayed()


@needs_browser
def test_every_image_opens_with_its_boxes(load, config):
    known = truth(config)
    shown = load()
    natural = "const image = document.querySelector('#view-stage img'); return image && image.naturalWidth"
    for place, name in enumerate(found(shown)):
        shown.execute_script("browse.view.open(arguments[0])", place)
        assert wait(shown, natural) == SIDE, name
        rows = shown.find_elements(By.CSS_SELECTOR, "#view-rows tr")
        assert len(rows) == known[name]["num"]
        assert len(shown.find_elements(By.CSS_SELECTOR, "#view .boxes .line")) == known[name]["num"]
        link = shown.find_element(By.ID, "view-file").get_property("href")
        assert Path(os.fsdecode(unquote_to_bytes(link.removeprefix("file://")))).is_file()
        assert bool(known[name]["out"]) == ("box-reaches-out" in shown.find_element(By.ID, "view-list").text)


@needs_browser
def test_the_image_in_the_address_is_opened(load):
    shown = load(urlencode({"image": HOSTILE_NAME}))
    assert shown.find_element(By.ID, "view-title").text == HOSTILE_NAME
    shown = load(urlencode({"image": "not there"}))
    assert not shown.find_element(By.ID, "view").is_displayed()


@needs_browser
def test_names_and_classes_stay_text(load):
    shown = load(urlencode({"text": "<img", "classes": ""}))
    assert found(shown) == [HOSTILE_NAME]
    assert shown.find_element(By.CSS_SELECTOR, ".cell .name").text == HOSTILE_NAME
    words = [one.text for one in shown.find_elements(By.CSS_SELECTOR, "#classes .words")]
    assert words == ["scratch (1)", f"{HOSTILE_CLASS} (3)", "dent (7)"]
    assert not shown.find_elements(By.CSS_SELECTOR, "b, [onmouseover], [onerror], img[src=x]")


@needs_browser
def test_boxes_lie_where_they_belong(load):
    shown = load(urlencode({"text": "part_01"}))
    picture = wait(shown, "return document.querySelector('.cell img')").rect
    lines = shown.find_elements(By.CSS_SELECTOR, ".cell .line")
    number = sorted([*ODD_NAMES, *(f"part_{at:02d}.jpg" for at in range(33)), "deep.png", "sheet.tif"]).index(
        "part_01.jpg"
    )
    width, height = 4 + 3 * number, 9 + number
    scale = picture["width"] / SIDE
    rects = [shown.execute_script("return arguments[0].getBoundingClientRect().toJSON()", one) for one in lines]
    first = min(rects, key=lambda rect: rect["y"])
    expected = {"x": picture["x"] + 20 * scale, "y": picture["y"] + 30 * scale}
    expected |= {"width": width * scale, "height": height * scale}
    assert {key: first[key] for key in expected} == pytest.approx(expected, abs=1)


@needs_browser
def test_the_document_holds_only_what_is_in_sight(load, many):
    shown = load(path=many)
    cells = "return document.querySelectorAll('.cell').length"
    at_first = shown.execute_script(cells)
    assert 10 < at_first < 60
    for share in (0.3, 0.99, 0.5):
        shown.execute_script(
            "const g = document.getElementById('grid'); g.scrollTop = arguments[0] * g.scrollHeight", share
        )
        sight = "const cell = document.elementFromPoint(700, 450).closest('.cell'); return cell && cell.dataset.place"
        place = int(wait(shown, sight))
        assert abs(place - share * MANY) < 0.02 * MANY
        assert shown.execute_script(cells) < 60
    shown.find_element(By.ID, "grid").send_keys(Keys.END)
    assert shown.execute_script("return browse.grid.current()") == MANY - 1
    assert shown.find_element(By.ID, f"cell-{MANY - 1}").is_displayed()
    assert wait(shown, f"return document.querySelector('#cell-{MANY - 1} .boxes .line') !== null")
    shown.find_element(By.CSS_SELECTOR, "input[name=classes][value='4']").click()
    assert len(found(shown)) == MANY // 5


@needs_browser
def test_more_rows_than_a_browser_lays_out_are_cut(load, many):
    shown = load(path=many, width=375)
    shown.execute_script("browse.grid.show(Array.from({ length: 4e5 }, (_, place) => place % browse.data.length))")
    cut = shown.find_element(By.ID, "cut")
    shown.find_element(By.ID, "grid").send_keys(Keys.END)
    last = shown.execute_script("return browse.grid.current()")
    assert cut.is_displayed() and f"The first {last + 1:,} are shown" in cut.text
    assert 1e5 < last < 4e5 and shown.find_element(By.ID, f"cell-{last}").is_displayed()


@needs_browser
def test_an_open_page_shows_thumbnails_as_they_come(load, config, tmp_path):
    (path,) = browse_page(config, out=tmp_path / "page", limit=0)
    state = next(path.parent.glob("data/*/thumbs.js"))
    state.write_text(state.read_text().replace('"done":true', '"done":false'))  # as while they are made
    shown = load(urlencode({"text": "part_02"}), path=path)
    source = "const image = document.querySelector('.cell img'); return image?.naturalWidth ? image.src : ''"
    assert wait(shown, source).endswith("/images/part_02.jpg")
    browse_page(config, out=tmp_path / "page")
    assert wait(shown, f"{source}.includes('/thumbs/') ? image.src : ''").endswith(".jpg")


@needs_browser
@pytest.mark.parametrize("width", [320, 375, 768, 1280])
def test_no_page_scrolls_sideways(load, width):
    shown = load(width=width)
    wide = "return document.documentElement.scrollWidth"
    assert shown.execute_script(wide) <= width
    cells = shown.find_elements(By.CSS_SELECTOR, ".cell")
    assert all(cell.rect["x"] >= 0 and cell.rect["x"] + cell.rect["width"] <= width for cell in cells)
    if width < 800:
        assert not shown.find_element(By.ID, "filters").is_displayed()
        shown.find_element(By.ID, "open-filters").click()
        assert shown.find_element(By.ID, "filters").is_displayed() and shown.execute_script(wide) <= width
        shown.find_element(By.CSS_SELECTOR, "input[name=splits][value=val]").click()
        button = shown.find_element(By.ID, "done")
        assert button.text == "Show 13 images"
        button.click()
    shown.execute_script("browse.view.open(0)")
    view = shown.find_element(By.ID, "view")
    assert view.rect["x"] >= 0 and view.rect["x"] + view.rect["width"] <= width
    inner = shown.execute_script("const v = document.getElementById('view'); return v.scrollWidth - v.clientWidth")
    assert inner <= 0


TEXTS = ["h1", "#count", ".name", ".facts", "legend", ".choices small", ".note", "#theme", ".badge", ".pair button"]
VIEW_TEXTS = ["#view-title", "#view-place", "#view-facts", "#view aside th button", "#view aside td", "#view .label"]


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_in_both_schemes(load, scheme):
    shown = load("codes=box-reaches-out", scheme=scheme)
    wait(shown, "return document.querySelector('.badge')")
    ground = shown.execute_script(COLORS, ["body"])[0][1]
    assert (contrast(ground, "#000000") > 10) == (scheme == "light")
    for name, (ink, below) in zip(TEXTS, shown.execute_script(COLORS, TEXTS), strict=True):
        assert contrast(ink, below) >= 4.5, f"{name}: {ink} on {below}"
    shown.execute_script("browse.view.open(0)")
    wait(shown, "return document.querySelector('#view .label')")
    names = [*VIEW_TEXTS, "#view .severity"]
    for name, (ink, below) in zip(names, shown.execute_script(COLORS, names), strict=True):
        assert contrast(ink, below) >= 4.5, f"{name}: {ink} on {below}"


@needs_browser
def test_controls_have_names(load):
    shown = load()
    nameless = shown.execute_script(
        "return [...document.querySelectorAll('button, input, select, a, [role=option], [role=listbox], dialog')]"
        ".filter((one) => !(one.ariaLabel || one.textContent.trim() || one.labels?.[0]?.textContent.trim() ||"
        " one.getAttribute('aria-labelledby'))).map((one) => one.outerHTML)"
    )
    assert nameless == []
    first = shown.find_element(By.ID, "cell-0").get_attribute("aria-label")
    assert first.startswith(found(shown)[0]) and ("box" in first or "normal" in first), first


def test_a_second_run_makes_only_what_is_missing(config, tmp_path, capsys):
    out = tmp_path / "page"
    run_command("browse", "-c", config, "--page", "--out", out, "--limit", "5")
    assert "5 thumbnails to make, 0 kept" in capsys.readouterr().out
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("thumbs/*/*.jpg")}
    run_command("browse", "-c", config, "--page", "--out", out)
    assert "35 thumbnails to make, 5 kept" in capsys.readouterr().out
    after = {path.name: path.stat().st_mtime_ns for path in out.glob("thumbs/*/*.jpg")}
    assert before.items() <= after.items() and len(after) == 42  # two images have a preview as well
    run_command("browse", "-c", config, "--page", "--out", out)
    shown = capsys.readouterr().out
    assert "0 thumbnails to make, 40 kept" in shown and shown.endswith(f"wrote:\n  {out / 'index.html'}\n")
    assert {path.name for path in out.iterdir()} == {".anomdet-browse", "index.html", "data", "thumbs"}
    assert len(list((out / "data").iterdir())) == 1


def test_data_that_training_refuses_has_a_page(tmp_path, capsys):
    for name in ("images", "labels"):
        (tmp_path / "data" / name).mkdir(parents=True)
    (tmp_path / "data/images/a.png").write_bytes(b"no image")
    (tmp_path / "data/labels/b.txt").write_text("nonsense\n")
    (tmp_path / "run.yaml").write_text(f"data: {{data_dir: {tmp_path / 'data'}}}\nlogging: {{log_dir: {tmp_path}}}\n")
    run_command("browse", "-c", tmp_path / "run.yaml", "--page")
    shown = capsys.readouterr().out
    assert "1 images, 0 boxes" in shown and "No splits yet; the training would refuse the data" in shown
    assert (tmp_path / "browse_page" / "index.html").is_file()


def tree(folder: Path) -> dict[str, bytes | str | None]:
    """All there is below a folder: what files hold, where links lead."""
    return {
        str(path.relative_to(folder)): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


@pytest.fixture
def project(tmp_path) -> Path:
    """A folder with nothing but a data folder of two images."""
    for name in ("images/line", "labels/line"):
        (tmp_path / "project/data" / name).mkdir(parents=True)
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 255, (400, 400), dtype=np.uint8)
        name = f"{number:016x}"
        (tmp_path / f"project/data/images/line/{name}.png").write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
        (tmp_path / f"project/data/labels/line/{name}.txt").write_text("1 10 10 30 40\n")
    return tmp_path / "project"


def _around(project: Path) -> Path:
    return project


def _around_with_an_earlier_page(project: Path) -> Path:
    browse_page(None, data=project / "data", out=project.parent / "page")
    (project.parent / "page" / "index.html").rename(project / "index.html")
    return project


def _around_hidden_data(project: Path) -> Path:
    (project / "data").rename(project / ".data")
    (project.parent / "data").symlink_to(project / ".data")
    return project


def _the_data(project: Path) -> Path:
    return project / "data"


def _by_a_link(project: Path) -> Path:
    (project.parent / "link").symlink_to(project / "data")
    return project.parent / "link" / "page"


def _where_images_are_linked(project: Path) -> Path:
    (project / "data/images/line").rename(project.parent / "store")
    (project / "data/images/line").symlink_to(project.parent / "store")
    return project.parent / "store" / "page"


def _of_thumbs_of_another(project: Path) -> Path:
    (project / "out/thumbs").mkdir(parents=True)
    (project / "out/thumbs/mine.jpg").write_bytes(b"mine")
    return project / "out"


def _whose_data_is_a_link(project: Path) -> Path:
    browse_page(None, data=project / "data", out=project / "out")
    (project / "out/data").rename(project / "elsewhere")
    (project / "out/data").symlink_to(project / "elsewhere")
    return project / "out"


def _of_a_page_with_more_in_it(project: Path) -> Path:
    browse_page(None, data=project / "data", out=project / "out")
    (project / "out/data/images").mkdir()
    (project / "out/data/images/other.png").write_bytes(b"mine")
    return project / "out"


@pytest.mark.parametrize(
    "place",
    [
        _around,
        _around_with_an_earlier_page,
        _around_hidden_data,
        _the_data,
        _by_a_link,
        _where_images_are_linked,
        _of_thumbs_of_another,
        _whose_data_is_a_link,
        _of_a_page_with_more_in_it,
    ],
)
def test_a_folder_with_anything_else_is_refused_and_stays_as_it_is(project, capsys, place):
    out = place(project)
    data = project / "data" if (project / "data").exists() else project.parent / "data"
    before = tree(project.parent)
    assert len(before) >= 4
    run_command("browse", "--data", data, "--page", "--out", out, code=2)
    assert f"--out {out}: expected" in capsys.readouterr().err
    assert tree(project.parent) == before


def test_an_interrupted_first_run_is_taken_up(project, monkeypatch):
    out, written = project / "out", Path.write_bytes
    monkeypatch.setattr(
        Path, "write_bytes", lambda path, data: 1 / 0 if path.name == "00000.js" else written(path, data)
    )
    with pytest.raises(ZeroDivisionError):
        browse_page(None, data=project / "data", out=out)
    assert not (out / "index.html").exists() and (out / "data").is_dir()
    monkeypatch.undo()
    browse_page(None, data=project / "data", out=out)
    assert len(list(out.glob("data/*/00000.js"))) == 1 and not (out / "data/.partial").exists()
    assert len(list(out.glob("thumbs/*/*.jpg"))) == 2


def test_a_page_without_a_claim_is_taken_up_by_its_mark(project):
    out = project / "out"
    browse_page(None, data=project / "data", out=out)
    (out / ".anomdet-browse").unlink()
    (project / "data/labels/line" / f"{0:016x}.txt").write_text("")
    browse_page(None, data=project / "data", out=out)
    assert len(list(out.glob("data/*"))) == 1


def test_files_of_others_among_the_scripts_stay(project):
    """Even in a folder with a name of the page's own form."""
    out = project / "out"
    browse_page(None, data=project / "data", out=out)
    mine = out / "data" / ("0" * 16) / "images" / "a.png"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    browse_page(None, data=project / "data", out=out)
    assert mine.read_bytes() == b"mine"


def test_bad_arguments(config, tmp_path, capsys):
    data_dir = config.parent / "data"
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "index.html").write_text("mine")
    for arguments, told in (
        (["--page"], "--data: expected a data folder, or --config, got nothing"),
        ([], "--config: expected settings, or --data DIR --page, got nothing"),
        (["--data", data_dir], "expected --page beside it"),
        (["--data", data_dir, "--page", "data.image_size=64"], "expected settings with --config only"),
        (["--data", tmp_path / "none", "--page", "--out", tmp_path / "new"], "which is not there"),
        (["--data", data_dir, "--page", "--out", data_dir / "images" / "page"], "expected a place outside of the data"),
        (["--data", data_dir, "--page", "--out", tmp_path / "taken"], "one that holds index.html"),
        (["--data", data_dir, "--page", "--out", config], "expected a folder, got a file"),
        (["--data", data_dir, "--page", "--limit", "-1"], "--limit: expected an integer >= 0, got -1"),
    ):
        run_command("browse", *arguments, code=2)
        assert told in capsys.readouterr().err, arguments
    assert (tmp_path / "taken" / "index.html").read_text() == "mine" and not (tmp_path / "new").exists()


def test_no_torch_is_needed(config, tmp_path):
    code = (
        "import sys; from anomdet.cli.main import main\n"
        f"try: main(['browse', '-c', {str(config)!r}, '--page', '--out', {str(tmp_path / 'page')!r}])\n"
        "finally: print([name for name in ('torch', 'mmengine', 'mmdet', 'albumentations') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("[]\n")
