"""``anomdet check``: what is wrong with the data, before a run shows it the hard way. Imports no torch."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from anomdet.errors import Problem, UserError
from anomdet.workflows.data_folder.beside_data import refuse_raw_data

if TYPE_CHECKING:
    from anomdet.config.load import SettingsSource
    from anomdet.config.schema import Settings
    from anomdet.config.schema_data import DataSettings
    from anomdet.quality.check.check import Checked, Rules
    from anomdet.quality.check.findings import Finding
    from anomdet.quality.check.fix import Fixed

FORMATS = ("text", "json", "sarif")
# What findings begin with, in each format: any other file of that name is the user's.
_FINDINGS = re.compile(
    rb"\A(?:(?:error|warning|note) [a-z-]+: |boxes are corner and size|cannot tell |[\d,]+ images? \()"
    rb'|\A\{\s*"version": \d+,\s*"data_dir": |\A\{\s*"\$schema": "[^"]*/sarif-schema-'
)


@dataclass(frozen=True)
class CheckOptions:
    """How thorough a check is, and how it is shown.

    Args:
        style: text, json or sarif.
        strict: warnings are errors.
        everything: text shows all places of a finding.
        decode: read all pixels.
        report: a page on the data's health; None: none.
        leaks: compare all images, however many have to be read for it.
    """

    style: str = "text"
    strict: bool = False
    everything: bool = False
    decode: bool = False
    leaks: bool = False
    report: Path | None = None


@dataclass(frozen=True)
class CheckResult:
    """What a check found.

    Args:
        findings: each with its code, severity, place, what was expected and found; the worst first.
        text: for the console or a file.
        summary: lines about what was written; for the console.
        written: files and folders.
        exit_code: 0 nothing wrong, 1 errors.
    """

    findings: list[Finding]
    text: str
    summary: str
    written: list[Path]
    exit_code: int


def check(
    data: str | Path | None = None,
    *,
    settings: SettingsSource | None = None,
    overrides: Sequence[str] = (),
    options: CheckOptions | None = None,
    fix: Path | None = None,
    out: Path | None = None,
) -> CheckResult:
    """Check a data folder.

    Args:
        data: holds images/ and labels/; in place of the settings' one.
        settings: YAML file, dict or Settings; data.data_dir, data.classes, data.missing_labels, data.verify_images;
            for the report also data.image_size, the splits, the model and the handling of imbalance.
        overrides: ``key=value`` each.
        options: how thorough, and what to show.
        fix: an empty or new folder for a corrected copy; None: none.
        out: a file for the text; None: it is left to the caller.

    Raises:
        UserError: neither settings nor a folder, or what is wrong with them, with ``fix`` or with ``out``.

    >>> [finding.code for finding in anomdet.check("data").findings]  # doctest: +SKIP
    """
    from anomdet.quality.check.check import check_data
    from anomdet.quality.check.findings import ERROR, make_strict
    from anomdet.quality.check.fix import write_fixed
    from anomdet.quality.check.text_format import verdict
    from anomdet.workflows.health_report import write_page

    options = options or CheckOptions()
    _check_options(options, out)
    used = _settings(settings, overrides, data, options.leaks)
    data_dir, rules = _rules(used, Path(data) if data is not None else None, options)
    page = _check_places(data_dir, options.report, fix, out)
    refuse_raw_data(data_dir)
    checked = _with_names(check_data(data_dir, rules), rules)
    if used is not None:
        checked = _with_splits(checked, rules, used.data, options)
    findings = make_strict(checked.findings) if options.strict else checked.findings
    text = _show(checked, findings, options)
    corrected = write_fixed(checked, fix) if fix is not None else None
    written = [fix] if fix is not None else []
    if out is not None:
        written.append(_write_findings(out, text))
    shown = out is None and options.style == "text"  # the verdict, as the last line of the text
    summary = [*([] if shown else [verdict(checked, findings)]), *_fixed_summary(corrected)]
    if page is not None:
        config = Path(settings) if isinstance(settings, (str, Path)) else None
        paths, moved = write_page(checked, findings, config, used, page)
        written += paths
        summary += [moved] if moved else []
    failed = any(found.severity == ERROR for found in findings)
    return CheckResult(findings, text, "\n".join(summary), written, int(failed))


def _write_findings(out: Path, text: str) -> Path:
    from anomdet.output_rule import make_room
    from anomdet.outputs import write_text

    make_room(out.parent, [out.name], "--out", marks={out.name: _FINDINGS})
    return write_text(out, f"{text}\n")


def _check_options(options: CheckOptions, out: Path | None) -> None:
    problems = []
    if options.style not in FORMATS:
        problems.append(Problem("--format", f"one of {', '.join(FORMATS)}", repr(options.style)))
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        got = "a folder" if out.is_dir() else "one in a folder that is not there"
        problems.append(Problem(f"--out {out}", "a file to write", got))
    if problems:
        raise UserError(problems)


def _check_places(data_dir: Path, report: Path | None, fix: Path | None, out: Path | None) -> Path | None:
    """Before the data is looked at, whether what is asked for may be written; returns where the page goes."""
    from anomdet.output_rule import check_apart, check_names, check_new_folder, data_folders
    from anomdet.workflows.health_report import page_path

    if fix is not None:
        check_new_folder(fix, "--fix")
        check_apart(fix, data_folders(data_dir), "--fix")
    if out is not None:
        check_apart(out, data_folders(data_dir), "--out")
        check_names(out.parent, [out.name], "--out", marks={out.name: _FINDINGS})
    return page_path(report, data_dir) if report is not None else None


def _settings(
    source: SettingsSource | None, overrides: Sequence[str], data: str | Path | None, leaks: bool
) -> Settings | None:
    """Of the file; None without one."""
    if source is not None:
        from anomdet.config.load import load_settings

        return load_settings(source, overrides)
    if data is None:
        folder = next((one for one in overrides if "=" not in one and Path(one).is_dir()), None)
        hint = "see: anomdet check --help" if folder is None else f"write --data {shlex.quote(str(folder))}"
        raise UserError(Problem("--data", "a data folder, or --config", "nothing", hint))
    if overrides:
        raise UserError(Problem("command line", "settings with --config only", repr(overrides[0])))
    if leaks:
        raise UserError(Problem("--leaks", "--config, which says how the images are split", "--data"))
    return None


def _rules(settings: Settings | None, data: Path | None, options: CheckOptions) -> tuple[Path, Rules]:
    """The folder, and what the settings say about it."""
    from anomdet.quality.check.check import Rules
    from anomdet.workflows.data_folder.planned_splits import rules_of

    if settings is None:
        assert data is not None
        return data, Rules(decode=options.decode)
    return data or Path(settings.data.data_dir), rules_of(settings.data, decode=options.decode)


def _with_names(checked: Checked, rules: Rules) -> Checked:
    """With a finding where classes.yaml beside the data calls classes otherwise than the settings do."""
    from anomdet.layout import CLASSES_FILE
    from anomdet.quality.check.findings import Finding, sort_findings
    from anomdet.workflows.data_folder.other_names import other_names

    beside, known = other_names(checked.data_dir, rules.classes)
    if not beside:
        return checked
    hint = "if the labels were converted anew with other numbers, convert them with --classes and these settings"
    found = Finding("class-named", CLASSES_FILE, 0, f"the names of data.classes ({known})", beside, hint)
    return replace(checked, findings=sort_findings([*checked.findings, found]))


def _with_splits(checked: Checked, rules: Rules, data: DataSettings, options: CheckOptions) -> Checked:
    """With findings about the splits, too."""
    from anomdet.config.translate_data import split_arguments
    from anomdet.data.splits.make import as_split_rule
    from anomdet.quality.check.findings import sort_findings
    from anomdet.quality.check.leaks import check_splits

    rule = as_split_rule(**split_arguments(data))
    found = check_splits(checked.data_dir, rules, rule, group_by=data.group_by, read_all=options.leaks)
    return replace(checked, findings=sort_findings([*checked.findings, *found]))


def _show(checked: Checked, findings: list[Finding], options: CheckOptions) -> str:
    from anomdet.quality.check.machine_formats import show_json, show_sarif
    from anomdet.quality.check.text_format import show_text

    if options.style == "json":
        return show_json(checked, findings)
    if options.style == "sarif":
        return show_sarif(checked, findings)
    return show_text(checked, findings, everything=options.everything)


def _fixed_summary(corrected: Fixed | None) -> list[str]:
    """What the corrected copy holds."""
    from collections import Counter

    if corrected is None:
        return []
    actions = Counter(change.action for change in corrected.changes)
    told = ", ".join(f"{action} {count:,}" for action, count in sorted(actions.items())) or "no changes"
    return [f"the corrected copy has {corrected.num_images:,} images; {told} (see changes.csv)"]
