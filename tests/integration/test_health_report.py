"""``anomdet check --report`` as a user runs it, and its page in a real browser."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from anomdet.data.synth.generate import generate
from anomdet.workflows.check import CheckOptions, check
from tests.integration.conftest import ROOT, run_command
from tests.integration.test_check import write_config
from tests.integration.test_report_page import COLORS, browser, load, pytestmark  # noqa: F401 (fixtures)
from tests.unit.report.test_figures import contrast

TEXTS = ("h1", ".verdict", ".severities a", ".advice .level", ".advice h3", ".setting code", "nav a", "td.number")
MORE_TEXTS = (
    ".findings b",
    ".findings .code",
    ".findings span:last-child",
    "#finding-count",
    "#finding-text",
    "summary",
)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory) -> Path:
    data_dir = generate(tmp_path_factory.mktemp("health") / "data", num_images=40, size_hw=(96, 144)).data_dir
    labels = sorted((data_dir / "labels").glob("*.txt"))
    labels[0].write_text("1,10,10,20,20\n")
    labels[1].write_text("2 140 10 20 20\n2 20 20 30 30\n9 5 5 1 1\n")
    return data_dir


@pytest.fixture(scope="module")
def page(faulty) -> Path:
    path = faulty.parent / "health of parts.html"
    check(faulty, options=CheckOptions(report=path))
    return path


def test_files_and_what_is_said(faulty, tmp_path, capsys):
    run_command("check", "--data", faulty, "--report", tmp_path, code=1)
    shown = capsys.readouterr().out
    assert shown.count("training would not start") == 1
    assert shown.endswith(f"wrote:\n  {tmp_path / 'health.html'}\n  {tmp_path / 'health.json'}\n")
    health = json.loads((tmp_path / "health.json").read_text())
    assert health["counts"]["images"] == 40 and health["image_size_hw"] == [640, 640]
    assert health["splits"] is None and "--config" in health["splits_note"]
    first = (tmp_path / "health.html").read_bytes()
    run_command("check", "--data", faulty, "--report", tmp_path / "health.html", "--format", "json", code=1)
    output = capsys.readouterr()
    json.loads(output.out)
    assert "an earlier report was moved to" in output.err
    assert [path.read_bytes() for path in tmp_path.glob("previous/*/health.html")] == [first]


def test_a_folder_that_is_not_there_is_made(tmp_path):
    data_dir = generate(tmp_path / "data", num_images=12, size_hw=(96, 96)).data_dir
    run_command("check", "--data", data_dir, "--report", f"{tmp_path}/new/pages/")
    assert sorted(path.name for path in (tmp_path / "new/pages").iterdir()) == ["health.html", "health.json"]


def test_settings_count(tmp_path, capsys):
    data_dir = generate(tmp_path / "data", num_images=40, size_hw=(96, 144)).data_dir
    config = write_config(data_dir, "  image_size: [96, 160]\n  classes: {1: scratch, 2: dent, 3: stain, 4: hole}\n")
    run_command("check", "-c", config, "--report", tmp_path / "r.html", "data.split.seed=3")
    health = json.loads((tmp_path / "r.json").read_text())
    assert health["image_size_hw"] == [96, 160]
    assert {entry["name"] for entry in health["classes"]} == {"scratch", "dent", "stain", "hole"}
    from anomdet.data.dataset import TextLabelDataset

    for split, values in health["splits"].items():
        dataset = TextLabelDataset(str(data_dir), split, split_rule={"seed": 3})
        assert values["images"] == len(dataset)
        assert values["objects"] == sum(len(dataset.get_data_info(at)["instances"]) for at in range(len(dataset)))
    (data_dir / "labels" / "part_00001.txt").write_text("1 2 3\n")
    run_command("check", "-c", config, "--report", tmp_path / "r.html", code=1)
    health = json.loads((tmp_path / "r.json").read_text())
    assert health["splits"] is None and "labels/part_00001.txt:1" in health["splits_note"]
    assert health["advice"][0]["code"] == "errors"


def test_no_torch(faulty, tmp_path):
    code = "import sys; from anomdet.cli.main import main\ntry:\n main(sys.argv[1:])\nexcept SystemExit: pass\n"
    code += "print([name for name in ('torch', 'mmengine', 'mmdet', 'albumentations') if name in sys.modules])"
    arguments = ["check", "--data", str(faulty), "--report", str(tmp_path / "r.html")]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=ROOT, timeout=120
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


@pytest.mark.parametrize(
    ("report", "told"),
    [
        ("nowhere/r.html", "a folder that is not there"),
        ("r.pdf", "a name that ends in .html, or a folder, got 'r.pdf'"),
        (
            "data/images/r.html",
            "expected a place outside of the data, got one at or in {here}/data/images",
        ),
        ("data/labels", "expected a place outside of the data, got one at or in {here}/data/labels"),
    ],
)
def test_bad_places(tmp_path, capsys, report, told):
    data_dir = generate(tmp_path / "data", num_images=12, size_hw=(96, 96)).data_dir
    before = sorted(path for path in data_dir.rglob("*"))
    run_command("check", "--data", data_dir, "--report", tmp_path / report, code=2)
    assert told.format(here=tmp_path) in capsys.readouterr().err
    assert sorted(path for path in data_dir.rglob("*")) == before


@pytest.mark.parametrize("name", ["r.json", "r.html"])
@pytest.mark.parametrize("content", ['{"results": [1, 2]}', ""])
def test_files_of_others_are_not_moved(tmp_path, capsys, name, content):
    data_dir = generate(tmp_path / "data", num_images=12, size_hw=(96, 96)).data_dir
    (tmp_path / name).write_text(content)
    run_command("check", "--data", data_dir, "--report", tmp_path / "r.html", code=2)
    expected = f"expected a new name, or one of an earlier run, got {tmp_path / name}, which is neither"
    assert expected in capsys.readouterr().err
    assert (tmp_path / name).read_text() == content and {one.name for one in tmp_path.iterdir()} == {"data", name}


def test_charts_and_the_map_of_a_class(load):  # noqa: F811
    browser = load()  # noqa: F811
    assert len(browser.find_elements(By.CSS_SELECTOR, ".plot:has(.main-svg)")) == 5
    image = "#plot-map .heatmaplayer image"
    shown = browser.find_elements(By.CSS_SELECTOR, image)
    before = [one.get_attribute("href") or one.get_attribute("xlink:href") for one in shown]
    assert len(before) == 1
    Select(browser.find_element(By.ID, "map-class")).select_by_index(1)
    shown = browser.find_elements(By.CSS_SELECTOR, image)
    after = [one.get_attribute("href") or one.get_attribute("xlink:href") for one in shown]
    assert len(after) == 1 and after != before


def test_findings_are_filtered_and_the_verdict_links_to_them(load):  # noqa: F811
    browser = load()  # noqa: F811

    def shown() -> list[str]:
        items = browser.find_elements(By.CSS_SELECTOR, "#finding-list li")
        return [item.get_attribute("data-code") for item in items if item.is_displayed()]

    every = shown()
    assert {"label-separator", "box-reaches-out", "box-tiny", "class-once"} <= set(every)
    browser.find_element(By.CSS_SELECTOR, "input[name=severity][value=error]").click()
    assert shown() == ["label-separator"]
    browser.find_element(By.CSS_SELECTOR, "input[name=severity][value='']").click()
    browser.find_element(By.ID, "finding-text").send_keys("BEYOND the right")
    assert shown() == ["box-reaches-out"]
    assert browser.find_element(By.ID, "finding-count").text == f"1 of {len(every)} findings"
    link = browser.find_element(By.CSS_SELECTOR, ".severities a[data-code=box-tiny]")
    link.send_keys(Keys.ENTER)
    assert shown() == ["box-tiny"] and browser.find_element(By.ID, "finding-text").get_property("value") == ""
    assert 0 <= browser.execute_script("return document.getElementById('findings').getBoundingClientRect().top") < 900


def test_samples_by_keyboard(load):  # noqa: F811
    browser = load()  # noqa: F811
    browser.find_element(By.CSS_SELECTOR, "button.picture").send_keys(Keys.ENTER)
    dialog = browser.find_element(By.ID, "case-dialog")
    assert dialog.is_displayed()
    browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert browser.find_element(By.ID, "case-place").text.startswith("2 of ")
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not dialog.is_displayed()
    assert browser.find_element(By.ID, "case-count").text.endswith(" samples")


@pytest.mark.parametrize("width", [320, 375, 768, 1280])
def test_no_page_scrolls_sideways(load, width):  # noqa: F811
    browser = load(width)  # noqa: F811
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_in_both_schemes(load, scheme):  # noqa: F811
    browser = load(scheme=scheme)  # noqa: F811
    names = [*TEXTS, *MORE_TEXTS]
    for name, (ink, ground) in zip(names, browser.execute_script(COLORS, names), strict=True):
        assert contrast(ink, ground) >= 4.5, f"{name}: {ink} on {ground}"
