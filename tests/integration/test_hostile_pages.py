"""Every page in a real browser, made of names and texts of a stranger: nothing of them runs, and no link leads out."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from anomdet.data.index.scan import scan
from anomdet.layout import DETAILS, METRICS
from anomdet.quality.review.suspects import KINDS
from anomdet.report.export_page import Row, write_export_page
from anomdet.report.to_label_page import write_to_label_page
from anomdet.report.write import write_report
from anomdet.workflows.reviews.page import write_review_page
from tests.integration.conftest import run_command
from tests.integration.test_browse_page import browse_page
from tests.integration.test_report_page import CHROMEDRIVER, CHROMIUM, browser  # noqa: F401
from tests.integration.test_review import suspect
from tests.unit.report.sample import CLASSES, image_reader, make_details, make_metrics
from tests.unit.report.test_write import renamed

pytestmark = [
    pytest.mark.skipif(not (CHROMIUM and CHROMEDRIVER), reason="needs Chromium and its driver"),
    pytest.mark.slow,
]

RUN = "window.hacked=1"
TEXTS = [
    f"</script><script>{RUN}</script>",
    f"\"'><img src=x onerror={RUN}>",
    f"javascript:{RUN}",
    f"<svg/onload={RUN}>`${{{RUN}}}`{{{{7*7}}}}{{%x%}}%{{x}}<!--<script>",
    f"\u2028{RUN}//\u2029\u202e<a href=javascript:{RUN}>\u202d\\\\';{RUN};//\\",
    f"<base href=http://stranger.test/><form action=javascript:{RUN}><b onmouseover={RUN} style=position:fixed>",
    f"]]>--></style></title></textarea><script>{RUN}</script>&lt;img src=x onerror={RUN}&gt;",
    "x" * 20_000,
]
# As names of files: no slash, and at most 255 bytes.
NAMES = [text.replace("/", "\u2215")[:60] + f"{number}.png" for number, text in enumerate(TEXTS)]
LOOK = """
const keys = ["href", "src", "action", "formaction", "srcdoc"];
const every = [...document.querySelectorAll("*")];
const outside = every.flatMap((one) => keys.map((key) => one.getAttribute(key)))
  .filter((to) => to && !/^(#|data:|blob:|file:|[^:]*$)/.test(to));
const handlers = every.filter((one) => [...one.attributes].some(({ name }) => name.startsWith("on")));
const embedded = document.querySelectorAll("base, iframe, object, embed").length;
return [outside, handlers.map((one) => one.outerHTML), embedded];
"""
USE = """
for (const one of document.querySelectorAll("details")) one.open = true;
for (const one of document.querySelectorAll("*")) {
  for (const kind of ["mouseover", "mouseenter", "focus"]) one.dispatchEvent(new Event(kind, { bubbles: true }));
}
const things = "button, input, select, summary, nav a, th, .cell, .plot";
for (const one of [...document.querySelectorAll(things)].slice(0, 400)) {
  if (one.type === "file" || one.disabled || !one.checkVisibility() || one.matches(".picture, [data-case]")) continue;
  if (one.tagName === "SELECT") for (let at = 0; at < one.options.length; at++) {
    one.selectedIndex = at;
    one.dispatchEvent(new Event("change", { bubbles: true }));
  }
  else one.click();
}
for (const radio of document.querySelectorAll("input[value='']")) radio.click();
for (const one of document.querySelectorAll("select")) {
  one.selectedIndex = 0;
  one.dispatchEvent(new Event("change", { bubbles: true }));
}
for (const one of ["button.picture", "#case-next"]) document.querySelector(one)?.click();
"""


@pytest.fixture
def hold(browser) -> Iterator[Callable[[Path], None]]:  # noqa: F811
    """Opens a page, uses all of it, and looks at what it has become."""

    def check(path: Path) -> None:
        assert path.is_file()
        browser.get_log("browser")
        browser.get(path.as_uri())
        before = browser.current_url
        browser.execute_script(USE)
        assert browser.execute_script("return window.hacked") is None
        outside, handlers, embedded = browser.execute_script(LOOK)
        assert (outside, handlers, embedded) == ([], [], 0)
        assert browser.current_url.partition("#")[0] == before.partition("#")[0], "it led to another page"
        said = [line["message"] for line in browser.get_log("browser")]
        assert not [line for line in said if "Error" in line or "Refused" in line or "violates" in line], said

    yield check


@pytest.fixture(scope="module")
def contents() -> tuple[dict[str, Any], dict[str, Any]]:
    names = dict(zip(CLASSES, TEXTS, strict=False))
    metrics, details = renamed(make_metrics(), names), renamed(make_details(4), names)
    for key in ("title", "split", "checkpoint", "settings", "created"):
        metrics["about"][key] = TEXTS[1]
    metrics["about"]["versions"] = dict.fromkeys(TEXTS, TEXTS[0])
    metrics["about"]["notes"] = TEXTS
    metrics["notes"] = TEXTS
    metrics["operating_point"]["note"] = TEXTS[3]
    for number, case in enumerate(details["cases"]):
        case["file_name"] = f"{TEXTS[number % 7]}{number}.png"
    return metrics, details


def test_the_report(hold, contents: tuple[dict[str, Any], dict[str, Any]], tmp_path: Path) -> None:
    metrics, details = contents
    hold(write_report(metrics, details, tmp_path / "report.html", read_image=image_reader(details)))


def test_the_comparison(hold, contents: tuple[dict[str, Any], dict[str, Any]], tmp_path: Path) -> None:
    truth = {
        "images": [{"id": at, "file_name": name, "width": 40, "height": 30} for at, name in enumerate(NAMES)],
        "annotations": [
            {"id": 1 + at, "image_id": at, "category_id": at % 7, "bbox": [5, 5, 9, 9], "area": 81, "iscrowd": 0}
            for at in range(5)
        ],
        "categories": [{"id": at, "name": text} for at, text in enumerate(TEXTS[:7])],
    }
    found = [{"image_id": at, "category_id": at % 7, "bbox": [5, 5, 9, 8], "score": 0.6} for at in range(6)]
    (tmp_path / "gt.json").write_text(json.dumps(truth), encoding="utf-8")
    for number, rows in enumerate((found, found[:3])):
        file = tmp_path / f"{number}.json"
        file.write_text(json.dumps(rows), encoding="utf-8")
        out = tmp_path / f"e{number}"
        files = ("--ground-truth", tmp_path / "gt.json", "--predictions", file, "--out", out)
        run_command("evaluate", *files, "evaluation.resamples=20", f"report.title={json.dumps(TEXTS[0])}")
        hold(out / "report.html")
    assert {METRICS, DETAILS} <= {path.name for path in (tmp_path / "e0").iterdir()}
    run_command("compare", tmp_path / "e0", tmp_path / "e1", "--resamples", "20", "--out", tmp_path / "c")
    (page,) = (tmp_path / "c").glob("*.html")
    hold(page)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    for name in ("images", "labels"):
        (folder / "data" / name).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number, name in enumerate(NAMES):
        pixels = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
        (folder / "data/images" / name).write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
        text = f"{number % 7} 5 5 20 20\n" * (number % 3)  # repeated, too: a finding
        (folder / "data/labels" / name).with_suffix(".txt").write_text(text)
    # The settings refuse what breaks a line or turns the direction of a text.
    classes = {number: "".join(filter(str.isprintable, text)) for number, text in enumerate(TEXTS[:7])}
    settings = {
        "data": {"data_dir": str(folder / "data"), "image_size": 64, "classes": classes},
        "logging": {"log_dir": str(folder / "logs")},
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return folder


def test_the_health_report(hold, data: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):  # there are findings
        from anomdet.cli.main import main

        main(["check", "-c", str(data / "run.yaml"), "--report", str(tmp_path / "h.html")])
    hold(tmp_path / "h.html")


def test_the_browse_page(hold, data: Path) -> None:
    (path,) = browse_page(data / "run.yaml")
    hold(path)


def test_the_review_page(hold, data: Path, tmp_path: Path) -> None:
    suspects = [
        suspect(number, "missing", name, [], [(number % 7, [5, 5, 20, 20])], manner=TEXTS[number % 7])
        for number, name in enumerate(NAMES)
    ]
    document = {
        "version": 1,
        "review": "0123456789abcdef",
        "classes": {str(number): text for number, text in enumerate(TEXTS[:7])},
        "kinds": {kind: {"num_suspects": len(suspects) if kind == "missing" else 0} for kind in KINDS},
        "suspects": suspects,
    }
    hold(write_review_page(document, scan(data / "data"), tmp_path))


def test_the_pages_of_an_export_and_of_what_to_label(hold, tmp_path: Path) -> None:
    rows = [Row(text, text, text, 1, 1.0, 0.5, 0) for text in TEXTS]
    hold(write_export_page(TEXTS[0], 3, rows, tmp_path / "export.html"))
    shown = [
        {"rank": 1 + at, "image": text, "address": "", "size_wh": [4, 3], "score": 0.5, "reason": text}
        | {"boxes": [{"name": text, "score": 0.5, "bbox_xywh": [0, 0, 1, 1]}]}
        for at, text in enumerate(TEXTS)
    ]
    hold(write_to_label_page(TEXTS[1], shown, TEXTS[0], tmp_path / "to_label.html"))


def test_a_script_that_is_not_ours_does_not_run_even_where_it_stands_in_a_page(
    browser,  # noqa: F811
    contents: tuple[dict[str, Any], dict[str, Any]],
    tmp_path: Path,
) -> None:
    """What would have to be forgotten first is the escaping of a text: the policy of the page holds then, too."""
    metrics, details = copy.deepcopy(contents)
    path = write_report(metrics, details, tmp_path / "report.html", read_image=None)
    text = path.read_text(encoding="utf-8")
    smuggled = f"<script>{RUN}</script><img src=x onerror={RUN}><svg onload={RUN}></svg>"
    path.write_text(text.replace("</main>", f"{smuggled}</main>"), encoding="utf-8")
    browser.get_log("browser")
    browser.get(path.as_uri())
    assert browser.execute_script("return window.hacked") is None
    assert len([line for line in browser.get_log("browser") if "violates" in line["message"]]) >= 3
    assert browser.execute_script("return document.querySelectorAll('.plot .main-svg').length") > 0, "our charts are"


def test_names_are_as_long_and_odd_as_a_disk_takes_them() -> None:
    assert max(len(os.fsencode(name)) for name in NAMES) <= 255
    assert len(set(NAMES)) == len(TEXTS)
