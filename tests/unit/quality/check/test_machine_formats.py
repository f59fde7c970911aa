"""JSON and SARIF: what programs read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from anomdet.quality.check.check import Checked, Rules, check_data
from anomdet.quality.check.findings import CODES, SEVERITIES
from anomdet.quality.check.machine_formats import show_json, show_sarif


@pytest.fixture
def checked(make_data) -> Checked:
    data_dir = make_data({"a b#1.png": "1 2 3\n1 50 5 15 5\n", "größe.png": "x 1 2 3 4\n2 1 2 3 4\n", "c.png": None})
    (data_dir / "labels" / "größe.txt").write_bytes(b"1 2 3 4 5\n\xff\n")
    found: Checked = check_data(data_dir, Rules(classes={1: "a", 3: "b"}))
    return found


def test_json_holds_every_finding(checked):
    told = json.loads(show_json(checked, checked.findings))
    assert told["version"] == 1 and told["counts"]["images"] == 3 and told["counts"]["error"] > 0
    assert [(one["code"], one["line"], one["message"]) for one in told["findings"]] == [
        (found.code, found.line or None, found.message) for found in checked.findings
    ]
    assert told["boxes"]["read_as"] == "corner and size" and told["boxes"]["open_questions"]


def need(value: dict[str, Any], required: dict[str, type]) -> None:
    for key, kind in required.items():
        assert isinstance(value.get(key), kind), (key, value)


def test_sarif_has_what_its_schema_requires(checked):
    """Required by the schema of SARIF 2.1.0, and its rules on levels, indices, URIs and line numbers."""
    log = json.loads(show_sarif(checked, checked.findings))
    need(log, {"version": str, "runs": list})
    assert log["version"] == "2.1.0" and log["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = log["runs"]
    need(run, {"tool": dict, "results": list})
    driver = run["tool"]["driver"]
    need(driver, {"name": str, "version": str, "rules": list})
    ids = [rule["id"] for rule in driver["rules"]]
    assert len(ids) == len(set(ids)) and set(ids) <= set(CODES)
    for rule in driver["rules"]:
        need(rule["shortDescription"], {"text": str})
        assert rule["defaultConfiguration"]["level"] in SEVERITIES
    base = run["originalUriBaseIds"]["DATA_DIR"]["uri"]
    assert base.startswith("file:///") and base.endswith("/")
    assert len(run["results"]) == len(checked.findings)
    for result, found in zip(run["results"], checked.findings, strict=True):
        need(result, {"message": dict, "ruleId": str, "ruleIndex": int})
        need(result["message"], {"text": str})
        assert ids[result["ruleIndex"]] == result["ruleId"] == found.code
        assert result["level"] in ("none", "note", "warning", "error")
        (location,) = result["locations"]
        artifact = location["physicalLocation"]["artifactLocation"]
        assert artifact["uri"].isascii() and not set(artifact["uri"]) & set(" #?")
        assert artifact["uriBaseId"] in run["originalUriBaseIds"]
        assert unquote(artifact["uri"]) == (found.file or ".")
        assert location["physicalLocation"].get("region", {"startLine": 1})["startLine"] >= 1


def test_each_code_is_described_in_the_docs():
    text = (Path(__file__).parents[4] / "docs" / "data_check.md").read_text(encoding="utf-8")
    missing = [code for code in CODES if f"`{code}`" not in text]
    assert not missing
