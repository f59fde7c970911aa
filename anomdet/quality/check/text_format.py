"""The findings for people: grouped by kind, with their places, and a verdict."""

from __future__ import annotations

from collections import defaultdict

from anomdet.quality.check.check import Checked
from anomdet.quality.check.findings import CODES, ERROR, NOTE, WARNING, Finding, count_severities

MAX_PLACES = 20


def show_text(checked: Checked, findings: list[Finding], *, everything: bool = False) -> str:
    """Text for a terminal.

    Args:
        checked: what was checked.
        findings: the worst first; those of ``checked``, or with other severities.
        everything: all places, not only the first 20 of each kind.
    """
    groups: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for found in findings:
        groups[(found.severity, found.code)].append(found)
    lines: list[str] = []
    for (severity, code), places in groups.items():
        lines.append(f"{severity} {code}: {CODES[code][1]} ({len(places)})")
        shown = places if everything else places[:MAX_PLACES]
        lines += [f"  {printable(str(found))}" for found in shown]
        if len(places) > len(shown):
            lines.append(f"  and {len(places) - len(shown)} more; --all shows them")
        lines.append("")
    return "\n".join([*lines, *_boxes(checked), verdict(checked, findings)])


def _boxes(checked: Checked) -> list[str]:
    """How the boxes were read, and what they leave open."""
    convention = checked.convention
    lines = []
    if len(checked.boxes) and not convention.code and convention.evidence:
        lines.append(f"boxes are corner and size in pixels: {convention.evidence}")
    lines += [f"cannot distinguish {question}" for question in convention.open_questions if len(checked.boxes)]
    return [*lines, ""] if lines else []


def verdict(checked: Checked, findings: list[Finding]) -> str:
    """One line: what was looked at, and what came of it."""
    counts = checked.counts()
    looked = (
        f"{_count(counts['images'], 'image')} ({counts['normal_images']} normal), "
        f"{_count(counts['label_files'], 'label file')}, {_count(counts['objects'], 'object')}"
    )
    found = count_severities(findings)
    told = ", ".join(_count(found[severity], severity) for severity in (ERROR, WARNING, NOTE) if found[severity])
    stops = any(one.severity == ERROR for one in checked.findings)  # whatever --strict makes of warnings
    end = "training would not start, or learn what is wrong" if stops else "training can start"
    return f"{looked}: {told or 'nothing found'}; {end}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def printable(text: str) -> str:
    """What a terminal would take for a command, and what it cannot show, is written out."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
