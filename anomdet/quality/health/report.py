"""All numbers of a data set's health in one dict, as ``health.json`` and the page hold them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from anomdet.quality.check.check import Checked
from anomdet.quality.check.findings import CODES, Finding, count_severities
from anomdet.quality.check.text_format import printable, verdict
from anomdet.quality.health import numbers
from anomdet.quality.health.advice import RULES
from anomdet.quality.health.advise import advise
from anomdet.quality.health.pixels import pixels
from anomdet.quality.health.plan import Plan
from anomdet.quality.health.proposed import proposed
from anomdet.quality.health.samples import samples
from anomdet.quality.health.table import make_table

VERSION = 1
MAX_OF_A_CODE = 20
MAX_FINDINGS = 400
MAX_LETTERS = 400  # of a message
MAX_CLASSES = 200


def measure_health(checked: Checked, findings: list[Finding], plan: Plan) -> dict[str, Any]:
    """Everything that the page shows; as large for a million images as for a thousand.

    Args:
        checked: the data set.
        findings: the worst first; those of ``checked``, or with other severities.
        plan: how the data would be used.

    Returns:
        ``version, verdict, image_size_hw, model, counts, classes, splits, drawn, boxes, positions, per_image,
        image_sizes, proposed, pixels, samples, findings, conventions, advice, rules``: JSON without nan.
    """
    table = make_table(checked, plan)
    names = numbers.class_names(table, plan)
    classes = numbers.classes(table, names, plan.split_of is not None)
    drawn = [entry for entry in classes if entry["objects"]][: numbers.MAX_DRAWN]
    health: dict[str, Any] = {
        "version": VERSION,
        "verdict": verdict(checked, findings),
        "image_size_hw": list(plan.size_hw),
        "model": plan.model,
        "counts": {**numbers.counts(table), "label_files": checked.counts()["label_files"]},
        "classes": classes,
        "splits": numbers.splits(table) if plan.split_of is not None else None,
        "splits_note": plan.splits_note,
        "drawn": [{"class_num": entry["class_num"], "name": entry["name"]} for entry in drawn],
        "boxes": numbers.boxes(table, plan, drawn),
        "positions": numbers.positions(table, drawn),
        "per_image": numbers.per_image(table),
        "image_sizes": numbers.image_sizes(table, plan),
        "proposed": proposed(table, plan),
        "pixels": pixels(checked.data_dir, table, checked.bit_depth),
        "samples": samples(table, names),
        "findings": show_findings(findings),
        "conventions": _conventions(checked),
    }
    health["advice"] = advise(health, plan)
    health["rules"] = RULES
    health["num_classes"] = len(classes)
    health["classes"] = _bounded(classes)
    return health


def show_findings(findings: list[Finding]) -> dict[str, Any]:
    """Counts by severity and by code, and the first places of each code."""
    of_codes = Counter((found.severity, found.code) for found in findings)
    shown: Counter[tuple[str, str]] = Counter()
    listed: list[dict[str, str]] = []
    for found in findings:
        kind = (found.severity, found.code)
        if len(listed) < MAX_FINDINGS and shown[kind] < MAX_OF_A_CODE:
            shown[kind] += 1
            where, message = printable(found.where), printable(found.message)[:MAX_LETTERS]
            listed.append({"severity": found.severity, "code": found.code, "where": where, "message": message})
    codes = [
        {"severity": severity, "code": code, "what": CODES[code][1], "count": count, "listed": shown[(severity, code)]}
        for (severity, code), count in of_codes.items()
    ]
    return {"severities": count_severities(findings), "codes": codes, "listed": listed, "total": len(findings)}


def _conventions(checked: Checked) -> dict[str, Any]:
    convention = checked.convention
    return {
        "evidence": convention.evidence if not convention.code else "",
        "open_questions": list(convention.open_questions) if len(checked.boxes) else [],
    }


def _bounded(classes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The commonest and the rarest of very many."""
    half = MAX_CLASSES // 2
    return classes if len(classes) <= MAX_CLASSES else [*classes[:half], *classes[-half:]]
