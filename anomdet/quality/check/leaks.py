"""What the splits tear apart: parts, and near-duplicates."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from anomdet.data.index.scan import DataIndex, scan
from anomdet.data.near_duplicates.across import find_leaks, remedy
from anomdet.data.near_duplicates.audit import AFFORDABLE_BYTES, Postponed, audit_images
from anomdet.data.splits.make import SplitRule, make_splits
from anomdet.data.splits.tiles import holds_tiles
from anomdet.errors import Problem, UserError
from anomdet.quality.check.check import Rules
from anomdet.quality.check.findings import ERROR, Finding
from anomdet.tiles import GROUPS

_NAME_PARTS = "name the parts by data.split.group_regex"


def check_splits(
    data_dir: Path, rules: Rules, split_rule: SplitRule, *, group_by: str | None, read_all: bool
) -> list[Finding]:
    """Findings about the splits that a run would use; none are made of data that it would refuse.

    Args:
        data_dir: holds images/ and labels/.
        rules: what the settings say about the data.
        split_rule: how it is split.
        group_by: pattern of the part in a file name.
        read_all: look for near-duplicates, whatever it takes; else only if it is wanted and quick.
    """
    try:
        index = scan(
            data_dir,
            missing_labels=rules.missing_labels,
            classes=rules.classes,
            max_image_megapixels=rules.max_image_megapixels,
        )
    except UserError:
        got = "data that training refuses"
        return [Finding("leak-not-looked", "", 0, "splits to look at", got, "fix the errors first")]
    try:
        splits = make_splits(index, split_rule)
    except UserError as error:
        return [_refused(problem) for problem in error.problems]
    positions, findings = splits.positions, []
    if splits.left_out:
        findings.append(Finding("split-left-out", "", 0, "each image in a list of a split", splits.left_out))
    if group_by:
        findings += _torn_parts(index, positions, group_by, "data.split.by=group")
    if holds_tiles(data_dir):
        findings += _torn_parts(index, positions, GROUPS, f"data.split.group_regex='{GROUPS}'")
    if read_all or split_rule.on_leak != "ignore":
        findings += _near_duplicates(
            index, positions, split_rule.by, read_all or split_rule.on_leak in ("error", "group")
        )
    if split_rule.on_leak == "error" or (split_rule.on_leak, split_rule.by) == ("group", "files"):
        findings = [
            replace(found, severity=ERROR) if found.code == "leak-near-duplicate" else found for found in findings
        ]
    return findings


def _refused(problem: Problem | str) -> Finding:
    if isinstance(problem, str):
        return Finding("split-refused", "", 0, "settings that split the images", problem)
    file, _, line = problem.where.rpartition(":")
    if file and line.isdecimal():  # of a list
        return Finding("split-refused", file, int(line), problem.expected, problem.got, problem.hint)
    return Finding("split-refused", "", 0, problem.expected, problem.got, f"{problem.hint} ({problem.where})".strip())


def _torn_parts(index: DataIndex, positions: Mapping[str, Sequence[int]], group_by: str, setting: str) -> list[Finding]:
    """Parts, as the evaluation knows them, or images cut into tiles, of which the images are in several splits."""
    pattern = re.compile(group_by)
    places: dict[str, Counter[str]] = {}
    last: dict[str, str] = {}
    for split, ats in positions.items():
        for at in ats:
            name = index.records[at].file_name
            found = pattern.search(name)
            part = found and (next(filter(None, found.groups()), "") if pattern.groups else found.group(0))
            if part:
                places.setdefault(part, Counter())[split] += 1
                last[part] = name
    findings = []
    for part, counts in places.items():
        if len(counts) > 1:
            told = ", ".join(f"{count} in {split}" for split, count in counts.items())
            hint = f"{setting} keeps them together"
            findings.append(
                Finding("leak-group", f"images/{last[part]}", 0, f"all images of {part!r} in one split", told, hint)
            )
    return findings


def _near_duplicates(
    index: DataIndex, positions: Mapping[str, Sequence[int]], by: str, read_all: bool
) -> list[Finding]:
    names = index.columns.file_names()
    audit = audit_images(index.data_dir, names, max_bytes=None if read_all else AFFORDABLE_BYTES)
    if isinstance(audit, Postponed):
        hint = "--leaks does, and keeps what it saw"
        return [Finding("leak-not-looked", "", 0, "images compared with each other", str(audit), hint)]
    leaks, num_within = find_leaks(audit, positions)
    findings = []
    for leak in leaks:
        (first, second), (one, other) = leak.names, leak.splits
        expected = f"the split of images/{first}, {one}, which is nearly the same"
        got = f"{other} ({leak.evidence})"
        findings.append(Finding("leak-near-duplicate", f"images/{second}", 0, expected, got, remedy(by)))
    if num_within:
        findings.append(Finding("leak-within", "", 0, "images that differ", f"{num_within:,} pairs that hardly do"))
    if not audit.complete:
        got = "so many alike that not all pairs were compared"
        findings.append(Finding("leak-look-alikes", "", 0, "images that differ", got, _NAME_PARTS))
    elif audit.num_alike:
        got = f"{audit.num_alike:,} that look like many others, compared by what else they show"
        hint = f"where parts have no surface of their own, {_NAME_PARTS}"
        findings.append(Finding("leak-look-alikes", "", 0, "images that differ", got, hint))
    if audit.num_unreadable:
        got = f"{audit.num_unreadable:,} that could not be decoded, and were not compared"
        findings.append(Finding("leak-unread", "", 0, "images that can be read", got, "--decode names them"))
    if audit.num_blank:
        got = f"{audit.num_blank:,} of one grey, which were not compared"
        findings.append(Finding("leak-blank", "", 0, "images that show something", got))
    return findings
