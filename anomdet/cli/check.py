"""``anomdet check``: what is wrong with the data, before a training shows it the hard way. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from anomdet.errors import Problem, UserError

if TYPE_CHECKING:
    from anomdet.config.schema_data import DataSettings
    from anomdet.data.check.findings import Finding
    from anomdet.data.check.mend import Mended
    from anomdet.data.check.run import Checked, Rules

FORMATS = ("text", "json", "sarif")


@dataclass(frozen=True)
class Manner:
    """How a check is told.

    Args:
        style: text, json or sarif.
        strict: warnings are errors.
        everything: text shows all places of a finding.
        decode: read all pixels.
        leaks: compare all images, however many have to be read for it.
    """

    style: str = "text"
    strict: bool = False
    everything: bool = False
    decode: bool = False
    leaks: bool = False


@dataclass(frozen=True)
class Told:
    """What a check found.

    Args:
        text: for the console or a file.
        summary: lines about what was written; for the console.
        written: files and folders.
        exit_code: 0 nothing wrong, 1 errors.
    """

    text: str
    summary: str
    written: list[Path]
    exit_code: int


def check(
    config: Path | None,
    overrides: Sequence[str] = (),
    *,
    data: Path | None,
    manner: Manner,
    fix: Path | None = None,
    out: Path | None = None,
) -> Told:
    """Check a data folder.

    Args:
        config: YAML settings, of which ``data`` counts: folder, classes, missing labels, splits.
        overrides: ``key=value`` each.
        data: the folder, in place of the settings' one.
        manner: what to show.
        fix: an empty or new folder for a mended copy; None: none.
        out: a file for the text; None: it is left to the caller.

    Raises:
        UserError: neither settings nor a folder, or what is wrong with them, with ``fix`` or with ``out``.
    """
    from anomdet.atomic import write_text
    from anomdet.data.check.findings import ERROR, make_strict
    from anomdet.data.check.mend import write_mended
    from anomdet.data.check.run import check_data

    if manner.style not in FORMATS:
        raise UserError(Problem("--format", f"one of {', '.join(FORMATS)}", repr(manner.style)))
    data_dir, rules, settings = _rules(config, overrides, data, manner)
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        got = "a folder" if out.is_dir() else "one in a folder that is not there"
        raise UserError(Problem(f"--out {out}", "a file to write", got))
    checked = check_data(data_dir, rules)
    if settings is not None:
        checked = _with_splits(checked, rules, settings, manner)
    findings = make_strict(checked.findings) if manner.strict else checked.findings
    text = _show(checked, findings, manner)
    mended = write_mended(checked, fix) if fix is not None else None
    written = [fix] if fix is not None else []
    if out is not None:
        written.append(write_text(out, f"{text}\n"))
    failed = any(found.severity == ERROR for found in findings)
    return Told(text, _summary(checked, findings, mended), written, int(failed))


def _rules(
    config: Path | None, overrides: Sequence[str], data: Path | None, manner: Manner
) -> tuple[Path, Rules, DataSettings | None]:
    """The folder, what the settings say about it, and the settings."""
    from anomdet.data.check.run import Rules

    if config is None:
        if data is None:
            raise UserError(Problem("--data", "a data folder, or --config", "nothing", "see: anomdet check --help"))
        if overrides:
            raise UserError(Problem("command line", "settings with --config only", repr(overrides[0])))
        if manner.leaks:
            raise UserError(Problem("--leaks", "--config, which says how the images are split", "--data"))
        return data, Rules(decode=manner.decode), None
    from anomdet.config.load import load_settings

    settings = load_settings(config, overrides).data
    decode = manner.decode or settings.verify_images == "decode"
    data_dir = data or Path(settings.data_dir)
    return data_dir, Rules(settings.classes, settings.missing_labels, decode), settings


def _with_splits(checked: Checked, rules: Rules, settings: DataSettings, manner: Manner) -> Checked:
    """With findings about the splits, too."""
    from anomdet.config.translate_data import split_arguments
    from anomdet.data.check.findings import sort_findings
    from anomdet.data.check.leaks import check_splits
    from anomdet.data.splits import as_split_rule

    rule = as_split_rule(**split_arguments(settings))
    found = check_splits(checked.data_dir, rules, rule, group_by=settings.group_by, read_all=manner.leaks)
    return replace(checked, findings=sort_findings([*checked.findings, *found]))


def _show(checked: Checked, findings: list[Finding], manner: Manner) -> str:
    from anomdet.data.check.machine import show_json, show_sarif
    from anomdet.data.check.show import show_text

    if manner.style == "json":
        return show_json(checked, findings)
    if manner.style == "sarif":
        return show_sarif(checked, findings)
    return show_text(checked, findings, everything=manner.everything)


def _summary(checked: Checked, findings: list[Finding], mended: Mended | None) -> str:
    from collections import Counter

    from anomdet.data.check.show import verdict

    if mended is None:
        return verdict(checked, findings)
    actions = Counter(change.action for change in mended.changes)
    told = ", ".join(f"{action} {count:,}" for action, count in sorted(actions.items())) or "no changes"
    return f"{verdict(checked, findings)}\nthe mended copy has {mended.num_images:,} images; {told} (see changes.csv)"
