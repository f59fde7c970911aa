from __future__ import annotations

import json
import re

import numpy as np
import pytest

from anomdet.errors import UserError
from anomdet.report.page import MAX_BYTES
from anomdet.report.write import write_report
from tests.unit.report.page import Element, Page
from tests.unit.report.sample import CLASSES, KINDS, image_reader, make_details, make_metrics

pytestmark = pytest.mark.slow  # seconds: not a part of `make test-fast`

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"\' onmouseover="alert(1)',
    "{{ 7 * 7 }} {% raw %}",
    "<!-- ]]> &amp; \u2028",
    "javascript:alert(1)//--text",
)
FIRST = ["results", "threshold", "classes", "cases"]
SECTIONS = [*FIRST, "numbers", "curves", "errors", "scores", "sizes", "training", "data", "settings"]
TRAINED = ["training-loss", "training-metrics", "training-lr"]


def written(tmp_path, metrics, details, read_image=None) -> Element:
    path = write_report(metrics, details, tmp_path / "report.html", read_image=read_image)
    return Page(path.read_text(encoding="utf-8")).root


def sections(page: Element) -> list[str]:
    return [section.attributes["id"] for section in page.all("section")]


def figures(page: Element) -> dict[str, dict]:
    return {figure["key"]: figure for figure in json.loads(page.one("script", id="figures").text)}


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A page with everything."""
    details = make_details(2)
    return written(tmp_path_factory.mktemp("report"), make_metrics(), details, image_reader(details))


def test_all_sections_in_order(full):
    assert sections(full) == SECTIONS
    assert [link.attributes["href"] for link in full.one("nav").all("a")] == [f"#{name}" for name in SECTIONS]
    assert full.one("h1").text == "Gear housings, camera 2"
    assert "2026-01-05 13:20 UTC" in full.one("header", class_="top").text


def test_landmarks_names_and_texts(full):
    assert full.one("html").attributes["lang"] == "en"
    assert len(full.all("main")) == len(full.all("nav")) == 1
    for table in full.all("table"):
        assert table.one("caption").text.strip()
        assert {head.attributes["scope"] for head in table.all("th")} == {"col", "row"}
    assert all(image.attributes["alt"].strip() for image in full.all("img"))
    ids = [element.attributes["id"] for tag in ("section", "h2", "h3", "div", "p") for element in full.all(tag, id_="")]
    assert len(ids) == len(set(ids))
    for plot in full.all("div", class_="plot"):
        assert plot.attributes["aria-label"]
        assert re.search(r"\d", full.one("p", id_=plot.attributes["aria-describedby"]).text)


def test_each_headline_number_has_its_interval_and_sentence(full):
    rows = {
        row.one("th").text: row
        for table in full.one("section", id="numbers").all("table", class_="headline")
        for row in table.one("tbody").all("tr")
    }
    found = next(row for head, row in rows.items() if head.startswith("Escapes"))
    assert [cell.text.replace("\N{NO-BREAK SPACE}", " ") for cell in found.all("td")] == [
        "1 of 40 (2.5 %)",
        "0.0–6.5 %",
    ]
    assert all(row.one("th").one("small").text.endswith((".", "?")) for row in rows.values())


def test_the_verdict_comes_first(full):
    results = full.one("section", id="results")
    tile = results.one("div", id="tile-escapes").text.replace("\xa0", " ")
    assert " ".join(tile.split()) == (
        "Escapes 1 of 40 (2.5 %) defective parts that pass as good95 % interval: 0.0 % to 6.5 %"
    )
    assert "2 of 100" in results.one("div", id="tile-overkill").text
    assert "out of reach" in results.one("p", class_="warning").text
    advised = results.one("div", class_="advice").text
    assert "With one threshold of 0.285 for all classes, no escape remains, and 5 of 100 good parts are" in advised
    assert "metrics.score_threshold=0.285" in advised and "confirm it on others" in advised


def test_the_strips_show_one_case_of_each_part(full):
    cases = make_details(2)["cases"]
    for key, outcome in (("escapes", "escape"), ("overkill", "overkill"), ("found", "found")):
        places = [int(one.attributes["data-case"]) for one in full.one("div", id=f"strip-{key}").all("button")]
        assert 1 <= len(places) <= 6
        assert {cases[place]["outcome"] for place in places} == {outcome}
        parts = [cases[place]["part"] for place in places]
        assert len(set(parts)) == len(parts)


def test_a_missed_case_shows_the_best_box_under_the_threshold(full):
    case = full.one("ul", id="cases").all("li", data_kind="missed")[0]
    best = next(one for one in case.all("g") if "best" in one.attributes["class"].split())
    assert best.attributes["data-score"] == "0.21" and "below" in best.attributes["class"]
    assert "best score 0.21" in case.one("p", class_="facts").text


def test_what_is_for_specialists_is_folded(full):
    fold = full.one("details", id="specialists")
    assert [section.attributes["id"] for section in fold.all("section")] == SECTIONS[4:]
    assert "open" not in fold.attributes


def test_null_is_a_dash_that_says_why(full):
    row = next(row for row in full.one("section", id="classes").all("tr") if row.text.strip().startswith(CLASSES[-1]))
    dashes = row.all("span", class_="none")
    assert len(dashes) >= 5
    assert "no objects of this class" in dashes[0].text
    assert all(dash.attributes["title"] for dash in full.all("span", class_="none"))


def test_confusion_matrix_is_a_table(full):
    table = full.one("table", class_="matrix")
    counts = make_metrics()["confusion_matrix"]["counts"]
    assert [[cell.text for cell in row.all("td")] for row in table.one("tbody").all("tr")] == [
        [f"{number}" if (i, j) != (6, 6) else "" for j, number in enumerate(row)] for i, row in enumerate(counts)
    ]
    assert "missed" in table.one("thead").text
    assert table.all("th", scope="row")[-1].text == "false alarm"


def test_curves_of_all_classes_with_the_operating_point(full):
    found = figures(full)
    assert list(found) == ["pr", "f1", "froc", "roc", "scores", *TRAINED]
    names = [trace["name"] for trace in found["pr"]["data"] if trace["mode"] == "lines"]
    assert names == [*CLASSES[:-1], "all classes"]
    points = [trace for trace in found["pr"]["data"] if trace["mode"] == "markers"]
    assert len(points) == len(names)
    assert len(full.one("fieldset", id="switches").all("input")) == len(names)
    bars = [sum(trace["y"]) for trace in found["scores"]["data"]]
    assert bars == [100, 40]
    assert found["scores"]["layout"]["shapes"][0]["x0"] == 0.31


def test_cases_with_boxes(full):
    cases = full.one("ul", id="cases").all("li")
    assert [case.attributes["data-kind"] for case in cases] == [kind for kind in KINDS for _ in range(2)]
    assert all(case.one("img").attributes["src"].startswith("data:image/jpeg;base64,") for case in cases)
    assert cases[0].all("g", class_="truth focus near")
    assert not cases[0].all("g", class_="prediction near")
    assert cases[2].all("g", class_="prediction focus near")


def test_nothing_is_fetched(full):
    for tag in ("script", "link", "img", "a", "iframe", "form", "object"):
        for element in full.all(tag):
            for name in ("src", "href", "action", "data", "srcset"):
                assert not re.match(r"\s*(https?:|//)", element.attributes.get(name, ""))
    for style in full.all("style"):
        assert "url(" not in style.text and "@import" not in style.text
    policy = full.one("meta", http_equiv="Content-Security-Policy").attributes["content"]
    assert policy.startswith("default-src 'none'") and "http" not in policy


def test_nothing_there_leaves_everything_out(tmp_path):
    page = written(tmp_path, {}, {})
    assert sections(page) == []
    assert page.one("h1").text == "Evaluation"
    assert not page.all("script", id="figures")


@pytest.mark.parametrize(
    "key", ["intervals", "part_level", "confusion_matrix", "errors", "sizes", "about", "per_class"]
)
def test_each_part_may_be_absent_or_null(tmp_path, key):
    metrics, details = make_metrics(), make_details(1)
    missing = {"per_class": "classes", "about": "settings"}.get(key, key)
    pages = [
        written(tmp_path, {name: value for name, value in metrics.items() if name != key}, details),
        written(tmp_path, {**metrics, key: None}, details),
    ]
    for page in pages:
        assert sections(page) == [name for name in SECTIONS if name != missing]
        assert bool(page.all("table", class_="matrix")) == (key != "confusion_matrix")
    assert ("95 % interval" in pages[0].text) == (key != "intervals")


@pytest.mark.parametrize("key", ["curves", "froc", "roc", "anomaly_scores", "cases", "rethreshold", "training"])
def test_each_detail_may_be_absent_or_null(tmp_path, key):
    details = make_details(1)
    gone = {"curves": {"pr", "f1"}, "anomaly_scores": {"scores"}}.get(key, {key})
    for content in ({name: value for name, value in details.items() if name != key}, {**details, key: None}):
        page = written(tmp_path, make_metrics(), content)
        drawn = ("pr", "f1", "froc", "roc", "scores", *([] if key == "training" else TRAINED))
        assert list(figures(page)) == [name for name in drawn if name not in gone]
        assert ("cases" in sections(page)) == (key != "cases")
        assert ("threshold" in sections(page)) == (key != "rethreshold")
        assert ("confusion" in sections(page)) == (key == "rethreshold")


def nulled(value):
    """The same with null for every number but counts."""
    if isinstance(value, dict):
        return {key: nulled(item) for key, item in value.items()}
    return None if isinstance(value, float) else value


def test_all_numbers_null(tmp_path):
    metrics = nulled(make_metrics())
    metrics["intervals"] |= dict.fromkeys(("mAP", "auroc", "escape_rate", "per_class"))
    page = written(tmp_path, metrics, {"curves": {"all": None, "per_class": {}}, "froc": {"recall": []}, "cases": []})
    gone = ("threshold", "curves", "scores", "cases", "training")
    assert [name for name in sections(page) if name != "confusion"] == [name for name in SECTIONS if name not in gone]
    assert "None" not in page.one("main").text


def test_curves_of_nulls_are_left_out(tmp_path):
    details = make_details(1)
    nulls = {key: [None if key != "score" else 0.5] * 3 for key in ("score", "precision", "recall", "f1_score")}
    details["curves"]["per_class"]["scratch"] = nulls
    details["curves"]["all"] = nulls
    details["roc"]["overkill_rate"] = [None] * len(details["roc"]["score"])
    found = figures(written(tmp_path, make_metrics(), details))
    assert list(found) == ["pr", "f1", "froc", "scores", *TRAINED]
    assert [trace["name"] for trace in found["f1"]["data"] if trace["mode"] == "lines"] == [*CLASSES[1:-1]]


def test_a_threshold_for_each_class(tmp_path):
    metrics = make_metrics()
    metrics["score_threshold"] = metrics["operating_point"]["score_threshold"] = None
    page = written(tmp_path, metrics, make_details(1))
    assert "Each class has its own score threshold" in page.one("section", id="numbers").text
    found = figures(page)
    assert "shapes" not in found["f1"]["layout"] and "shapes" not in found["scores"]["layout"]
    marked = [trace["meta"] for trace in found["f1"]["data"] if trace["mode"] == "markers"]
    assert marked == [0, 1, 2, 3, 4]  # of the classes, not of all


def renamed(value, names):
    if isinstance(value, dict):
        return {names.get(key, key): renamed(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [renamed(item, names) for item in value]
    return names.get(value, value) if isinstance(value, str) else value


def test_hostile_names_are_shown_as_they_are(tmp_path):
    names = dict(zip(CLASSES, HOSTILE, strict=True))
    metrics, details = renamed(make_metrics(), names), renamed(make_details(3), names)
    for key in ("title", "split", "checkpoint", "settings", "created"):
        metrics["about"][key] = HOSTILE[0]
    metrics["operating_point"]["note"] = metrics["operating_point"]["by"] = HOSTILE[1]
    metrics["about"]["versions"] = dict.fromkeys(HOSTILE, HOSTILE[0])
    for case in details["cases"]:
        case["file_name"] = f"{HOSTILE[0]}{HOSTILE[2]}\udcff.png"

    def fail(file_name):
        raise UserError(f"{file_name}: {HOSTILE[1]}")

    page = written(tmp_path, metrics, details, fail)
    assert sections(page) == SECTIONS
    # Ours only: theme, columns, figures, plotly, charts, tables, cases, threshold, folds.
    assert len(page.all("script")) == 9
    assert not page.all("img")
    assert not [
        element.tag
        for tag in ("svg", "span", "td", "th", "li", "button", "label", "a", "p", "h1", "h3", "option")
        for element in page.all(tag)
        if any(name.startswith("on") for name in element.attributes)
    ]
    assert page.one("h1").text == HOSTILE[0]
    heads = [head.text for head in page.one("section", id="classes").all("th", scope="row")]
    assert heads == [*HOSTILE, "all"]
    options = [option.text for option in page.one("select", id="case-class").all("option")]
    assert set(options[1:]) <= set(HOSTILE)
    # Plotly would read tags in a name.
    traces = [trace["name"] for trace in figures(page)["pr"]["data"]]
    assert traces[0] == "&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;"
    assert not any("<" in name for name in traces)


def test_an_unreadable_picture_is_told_in_its_place(tmp_path):
    details = make_details(1)
    read = image_reader(details)
    lost = details["cases"][1]["file_name"]

    def read_some(file_name):
        if file_name == lost:
            raise OSError("no such file")
        return read(file_name)

    cases = written(tmp_path, make_metrics(), details, read_some).one("ul", id="cases").all("li")
    assert [len(case.all("img")) for case in cases] == [1, 0, 1, 1, 1, 1]
    assert "no such file" in cases[1].text


def test_without_pictures_the_cases_are_listed(tmp_path):
    page = written(tmp_path, make_metrics(), make_details(1))
    assert len(page.one("ul", id="cases").all("li")) == len(KINDS)
    assert not page.all("img")


@pytest.mark.slow
@pytest.mark.parametrize("noise", [25, 90])
def test_300_noisy_pictures_stay_below_10_mb(tmp_path, noise):
    details = make_details(60)
    noisy = np.random.default_rng(0).normal(0, noise, (480, 640, 3))

    def read(file_name):
        return np.clip(128 + noisy, 0, 255).astype(np.uint8)

    path = write_report(make_metrics(), details, tmp_path / "report.html", read_image=read)
    size = path.stat().st_size
    assert size <= MAX_BYTES < 10_000_000
    html = path.read_text(encoding="utf-8")
    assert html.count("<img ") >= 200
    assert "To keep this page small" in html
    assert size > 0.7 * MAX_BYTES  # the room is used


def test_the_old_page_stays_until_the_new_is_whole(tmp_path, monkeypatch):
    written(tmp_path, {"mAP": 0.5}, {})
    before = (tmp_path / "report.html").read_bytes()
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        write_report({"mAP": 0.6}, {}, tmp_path / "report.html", read_image=None)
    assert (tmp_path / "report.html").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
