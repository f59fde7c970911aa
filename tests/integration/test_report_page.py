"""The report in a real browser: no errors, filters, the dialog by keyboard, narrow screens, both schemes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from anomdet.evaluation.details import details
from anomdet.evaluation.operating_point import fixed
from anomdet.evaluation.summary import measure
from anomdet.report.write import write_report
from tests.unit.evaluation.cases import RANDOM_CASES, results_of
from tests.unit.report.sample import CLASSES, image_reader, make_details, make_metrics
from tests.unit.report.test_figures import contrast

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMEDRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and CHROMEDRIVER), reason="needs Chromium and its driver")
SWITCHES = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
)
CASES_OF_A_KIND = 7
# 0 to 255 of what is painted, through the browser's own arithmetic.
COLORS = """
const canvas = new OffscreenCanvas(1, 1).getContext("2d");
const hex = (color) => {
  canvas.fillStyle = color;
  return canvas.fillStyle;
};
return arguments[0].map((name) => {
  let ground = document.querySelector(name);
  const ink = getComputedStyle(ground).color;
  while (getComputedStyle(ground).backgroundColor === "rgba(0, 0, 0, 0)") ground = ground.parentElement;
  return [hex(ink), hex(getComputedStyle(ground).backgroundColor)];
});
"""
TEXTS = [
    "h1",
    ".tile-number",
    ".tile-meaning",
    "nav a",
    ".note",
    "th small",
    "td.number",
    "#theme",
    ".case h3",
    ".case .file",
    "summary",
]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    content = make_details(CASES_OF_A_KIND)
    path = tmp_path_factory.mktemp("report") / "report with spaces.html"
    return write_report(make_metrics(), content, path, read_image=image_reader(content))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for switch in (*SWITCHES, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(CHROMEDRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def load(browser, page):
    """Opens the page in a window of a width and a scheme; afterwards nothing may have been said in the console."""

    def open_page(width: int = 1280, scheme: str = "light", address: Path = page) -> webdriver.Chrome:
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        browser.get(address.as_uri())
        return browser

    browser.get_log("browser")
    yield open_page
    assert browser.get_log("browser") == []


def shown_cases(browser) -> list:
    return [case for case in browser.find_elements(By.CSS_SELECTOR, "#cases .case") if case.is_displayed()]


def test_charts_are_drawn_and_classes_switch(load):
    browser = load()
    browser.find_element(By.CSS_SELECTOR, "#specialists > summary").click()
    drawn = ".plot:has(.main-svg .trace path)"
    assert len(browser.find_elements(By.CSS_SELECTOR, drawn)) == 8
    curves = ".plot#plot-pr .scatterlayer .trace"
    before = len(browser.find_elements(By.CSS_SELECTOR, curves))
    assert before == 2 * len(CLASSES)  # five classes and all of them, each with its point
    browser.find_element(By.CSS_SELECTOR, "#switches input[data-class='2']").click()
    assert len(browser.find_elements(By.CSS_SELECTOR, curves)) == before - 2
    browser.find_element(By.ID, "no-class").click()
    assert len(browser.find_elements(By.CSS_SELECTOR, curves)) == 2
    browser.find_element(By.ID, "every-class").click()
    assert len(browser.find_elements(By.CSS_SELECTOR, curves)) == before


def test_cases_are_filtered_by_kind_and_class(load):
    browser = load()
    assert len(shown_cases(browser)) == 24
    browser.find_element(By.ID, "more-cases").click()
    assert len(shown_cases(browser)) == 6 * CASES_OF_A_KIND
    browser.find_element(By.CSS_SELECTOR, "input[value=missed]").click()
    assert len(shown_cases(browser)) == CASES_OF_A_KIND
    name = shown_cases(browser)[0].find_element(By.TAG_NAME, "h3").text.removeprefix("Missed: ")
    Select(browser.find_element(By.ID, "case-class")).select_by_visible_text(name)
    titles = [case.find_element(By.TAG_NAME, "h3").text for case in shown_cases(browser)]
    assert 0 < len(titles) < CASES_OF_A_KIND and set(titles) == {f"Missed: {name}"}
    assert browser.find_element(By.ID, "case-count").text == f"{len(titles)} cases"


def test_the_dialog_by_keyboard(load):
    browser = load()
    dialog = browser.find_element(By.ID, "case-dialog")
    button = browser.find_elements(By.CSS_SELECTOR, "#cases button.picture")[1]
    button.send_keys(Keys.ENTER)
    assert dialog.is_displayed()
    place = browser.find_element(By.ID, "case-place")
    assert place.text == "2 of 42"
    picture = dialog.find_element(By.TAG_NAME, "img")
    WebDriverWait(browser, 10).until(lambda _: picture.get_property("naturalWidth") > 0)
    assert picture.rect["width"] > 1.5 * button.rect["width"]
    for key, expected in ((Keys.ARROW_RIGHT, 3), (Keys.ARROW_DOWN, 4), (Keys.ARROW_LEFT, 3), (Keys.ARROW_UP, 2)):
        browser.switch_to.active_element.send_keys(key)
        assert place.text == f"{expected} of 42"
    for _ in range(50):
        browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert place.text == "42 of 42"
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not dialog.is_displayed()
    # The case that was seen last has the focus, although it was not in the list before.
    focused = browser.switch_to.active_element
    assert focused.is_displayed() and focused == browser.find_elements(By.CSS_SELECTOR, "#cases button.picture")[41]


def test_boxes_lie_on_their_pictures_and_can_be_hidden(load):
    browser = load()
    frame = browser.find_element(By.CSS_SELECTOR, "#cases .frame")
    drawing = frame.find_element(By.CSS_SELECTOR, "svg.boxes")
    assert drawing.rect == pytest.approx(frame.find_element(By.TAG_NAME, "img").rect, abs=1)
    browser.find_element(By.ID, "show-boxes").click()
    assert not drawing.is_displayed()


def test_columns_sort(load):
    browser = load()
    column = "#classes tbody tr td:nth-child({})"
    browser.find_element(By.XPATH, "//section[@id='classes']//thead//button[text()='AP']").click()
    place = 4  # after class, number, objects
    texts = [cell.text.split()[0] for cell in browser.find_elements(By.CSS_SELECTOR, column.format(place))]
    assert texts[-1].startswith("–") and texts[:-1] == sorted(texts[:-1], reverse=True)
    browser.find_element(By.XPATH, "//section[@id='classes']//thead//button[text()='AP']").click()
    texts = [cell.text.split()[0] for cell in browser.find_elements(By.CSS_SELECTOR, column.format(place))]
    assert texts[-1].startswith("–") and texts[:-1] == sorted(texts[:-1])


@pytest.mark.parametrize("width", [320, 375, 768, 1280])
def test_no_page_scrolls_sideways(load, width):
    browser = load(width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    browser.execute_script("document.querySelectorAll('button.picture')[0].click()")
    dialog = browser.find_element(By.ID, "case-dialog").rect
    assert dialog["x"] >= 0 and dialog["x"] + dialog["width"] <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_in_both_schemes(load, scheme):
    browser = load(scheme=scheme)
    grounds = browser.execute_script(COLORS, ["body"])
    assert (contrast(grounds[0][1], "#000000") > 10) == (scheme == "light")
    for name, (ink, ground) in zip(TEXTS, browser.execute_script(COLORS, TEXTS), strict=True):
        assert contrast(ink, ground) >= 4.5, f"{name}: {ink} on {ground}"
    # The button turns the scheme round, of the charts as well.
    paper = ".plot#plot-pr .main-svg"
    before = browser.execute_script("return getComputedStyle(document.querySelector(arguments[0])).background", paper)
    browser.find_element(By.ID, "theme").click()
    after = browser.execute_script("return getComputedStyle(document.querySelector(arguments[0])).background", paper)
    assert before != after
    assert browser.execute_script(COLORS, ["body"])[0][1] != grounds[0][1]


def test_a_page_with_nothing_to_show(load, tmp_path):
    browser = load(address=write_report({"mAP": None}, {}, tmp_path / "bare.html", read_image=None))
    assert "–" in browser.find_element(By.TAG_NAME, "main").text


SHOWN = """
const value = (id) => {
  const text = document.getElementById(id).dataset.value;
  return text === "null" ? null : Number(text);
};
const table = [...document.querySelectorAll("table.matrix tbody tr")].map((row) =>
  [...row.querySelectorAll("td")].map((cell) => Number(cell.textContent)));
const ids = ["escapes", "overkill", "precision", "recall", "f1"];
return { table, ...Object.fromEntries(ids.map((id) => [id, value(`now-${id}`)])) };
"""
SET = """
const input = document.getElementById("slider-number");
input.value = arguments[0];
input.dispatchEvent(new Event("change"));
"""


@pytest.mark.parametrize("case", [RANDOM_CASES[0], RANDOM_CASES[6]], ids=str)
def test_the_slider_counts_as_evaluate_does_at_20_thresholds(load, tmp_path, case):
    results = results_of(case)
    first = measure(results, fixed(0.4))
    page = write_report(first.metrics, details(first), tmp_path / "measured.html", read_image=None)
    browser = load(address=page)
    thresholds = [*np.linspace(0, 1, 15).round(3).tolist(), *results.pred.score[:5].tolist()]
    assert len(thresholds) == 20
    for threshold in (0.4, *thresholds):
        browser.execute_script(SET, repr(threshold))
        found, wanted = browser.execute_script(SHOWN), measure(results, fixed(threshold)).metrics
        level = wanted["part_level"]
        assert (found["escapes"], found["overkill"]) == (level["escapes"], level["overkill"]), threshold
        numbers = (found["precision"], found["recall"], found["f1"])
        assert numbers == pytest.approx((wanted["precision"], wanted["recall"], wanted["f1_score"])), threshold
        assert found["table"] == wanted["confusion_matrix"]["counts"], threshold
    # What is printed for copying is the setting of the last one.
    assert browser.find_element(By.ID, "setting").text == f"metrics.score_threshold={thresholds[-1]!r}"


def test_a_slider_of_one_class_prints_a_setting_for_all(load):
    browser = load()
    browser.execute_script("document.getElementById('class-thresholds').open = true")
    browser.execute_script(
        "const one = document.getElementById('slider-1'); one.value = 0.6; one.dispatchEvent(new Event('input'))"
    )
    wanted = "'metrics.score_threshold={1: 0.31, 4: 0.6, 7: 0.31, 10: 0.31, 13: 0.31, 99: 0.31}'"
    assert browser.find_element(By.ID, "setting").text == wanted
    browser.find_element(By.ID, "slider-reset").click()
    assert browser.find_element(By.ID, "setting").text == "metrics.score_threshold=0.31"
    assert not browser.find_element(By.ID, "slider-reset").is_enabled()


def test_the_boxes_of_the_images_follow_the_slider(load):
    browser = load()

    def boxes() -> int:
        found = browser.find_elements(By.CSS_SELECTOR, "#cases .case .boxes g[data-score]")
        return sum(box.is_displayed() for box in found)

    before = boxes()
    browser.execute_script(SET, "0")
    assert boxes() > before
    browser.execute_script(SET, "1")
    dotted = browser.find_elements(By.CSS_SELECTOR, "#cases .case:not([hidden]) .boxes g.best")
    assert boxes() == len(dotted) > 0, "the best box of a missed defect stays, dotted"


def test_escapes_and_overkill_are_filters_and_the_first_images_open_their_case(load):
    browser = load()
    browser.find_element(By.CSS_SELECTOR, "input[value='outcome:escape']").click()
    assert {case.get_attribute("data-outcome") for case in shown_cases(browser)} == {"escape"}
    browser.find_element(By.CSS_SELECTOR, "input[value='outcome:overkill']").click()
    assert {case.get_attribute("data-outcome") for case in shown_cases(browser)} == {"overkill"}
    first = browser.find_element(By.CSS_SELECTOR, "#strip-found [data-case]")
    assert first.find_elements(By.TAG_NAME, "img")
    browser.execute_script("arguments[0].click()", first)
    assert browser.find_element(By.ID, "case-title").text.startswith("Found: ")


def test_paper_has_no_buttons_all_cases_and_the_charts(load):
    browser = load()
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        browser.execute_script("dispatchEvent(new Event('beforeprint'))")
        assert len(shown_cases(browser)) == 6 * CASES_OF_A_KIND
        buttons = browser.find_elements(By.CSS_SELECTOR, "button:not(.picture, th button), .filters, .modebar")
        assert not any(button.is_displayed() for button in buttons)
        titles = browser.find_elements(By.CSS_SELECTOR, ".classes thead button")
        assert titles and all(title.is_displayed() for title in titles), "a sort button is the title of its column"
        plots = browser.find_elements(By.CSS_SELECTOR, ".plot .main-svg:first-child")
        assert len(plots) == 8 and all(plot.is_displayed() and plot.rect["width"] > 100 for plot in plots)
        for plot in plots:
            figure = plot.find_element(By.XPATH, "ancestor::figure").rect
            assert plot.rect["x"] + plot.rect["width"] <= figure["x"] + figure["width"] + 1, "over its neighbour"
            assert plot.rect["y"] + plot.rect["height"] <= figure["y"] + figure["height"] + 1, "over what follows"
        browser.execute_script("dispatchEvent(new Event('afterprint'))")
        assert len(shown_cases(browser)) == 24
        assert not browser.find_elements(By.CSS_SELECTOR, ".main-svg[viewBox]")
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_no_column_is_cut_on_a_phone(load):
    browser = load(375)
    for selector in (".matrix", ".classes"):
        table = browser.find_element(By.CSS_SELECTOR, selector)
        region = table.find_element(By.XPATH, "..")
        assert browser.execute_script("return arguments[0].scrollWidth - arguments[0].clientWidth", region) <= 0
