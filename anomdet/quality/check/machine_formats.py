"""The findings for programs: JSON of our own, and SARIF 2.1.0 (OASIS), which editors and code hosts show in place."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anomdet
from anomdet.quality.check.check import Checked
from anomdet.quality.check.findings import CODES, Finding, count_severities

JSON_VERSION = 1
_SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def show_json(checked: Checked, findings: list[Finding]) -> str:
    """``{version, data_dir, counts, findings: [{code, severity, file, line, message, ...}], boxes}``.

    ``line`` is null for a file as a whole, ``file`` for the data set.
    """
    convention = checked.convention
    return _dump(
        {
            "version": JSON_VERSION,
            "data_dir": str(checked.data_dir),
            "counts": {**checked.counts(), **count_severities(findings)},
            "boxes": {
                "read_as": convention.reading,
                "normalised": bool(convention.scaled.any()),
                "evidence": convention.evidence,
                "open_questions": list(convention.open_questions),
            },
            "findings": [
                {
                    "code": found.code,
                    "severity": found.severity,
                    "file": found.file or None,
                    "line": found.line or None,
                    "message": found.message,
                    "expected": found.expected,
                    "got": found.got,
                    "hint": found.hint,
                }
                for found in findings
            ],
        }
    )


def show_sarif(checked: Checked, findings: list[Finding]) -> str:
    """One run with a rule for each code that occurs; paths are relative to the data folder, ``DATA_DIR``."""
    codes = sorted({found.code for found in findings})
    rules = [
        {
            "id": code,
            "shortDescription": {"text": CODES[code][1]},
            "defaultConfiguration": {"level": CODES[code][0]},
        }
        for code in codes
    ]
    run = {
        "tool": {"driver": {"name": "anomdet check", "version": anomdet.__version__, "rules": rules}},
        "originalUriBaseIds": {"DATA_DIR": {"uri": f"{Path(checked.data_dir).resolve().as_uri()}/"}},
        "columnKind": "unicodeCodePoints",
        "results": [_result(found, codes.index(found.code)) for found in findings],
    }
    return _dump({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]})


def _result(found: Finding, rule_at: int) -> dict[str, Any]:
    uri = quote(os.fsencode(found.file or "."))
    location: dict[str, Any] = {"artifactLocation": {"uri": uri, "uriBaseId": "DATA_DIR"}}
    if found.line:
        location["region"] = {"startLine": found.line}
    return {
        "ruleId": found.code,
        "ruleIndex": rule_at,
        "level": found.severity,
        "message": {"text": found.message},
        "locations": [{"physicalLocation": location}],
    }


def _dump(value: dict[str, Any]) -> str:
    """Names that are no UTF-8 are escaped by ``ensure_ascii``: the text can always be written."""
    return json.dumps(value, indent=2)
