"""A whole conversion: read, check, write into a new folder that appears complete or not at all."""

from __future__ import annotations

import secrets
import shlex
import shutil
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from anomdet.errors import Problem, UserError
from anomdet.formats.accounting import UNLABELLED, drop_left_out
from anomdet.formats.archives import unpacked
from anomdet.formats.dataset import Dataset, Findings, Phrase, Source
from anomdet.formats.embedded import scratch_folder
from anomdet.formats.formats import FORMATS, Format
from anomdet.formats.other_numbers import take_by_name
from anomdet.formats.pictures import check_inside, check_pictures, note_other_images, place_images
from anomdet.formats.recognise import recognise_one
from anomdet.formats.side_files import (
    check_names,
    check_source,
    classes_beside,
    read_classes,
    read_hard_normals,
    read_splits,
    settings_hint,
    settle_classes,
    write_side_files,
)
from anomdet.layout import CLASSES_FILE
from anomdet.output_rule import check_apart, check_new_folder
from anomdet.outputs import csv_text, write_text
from anomdet.words import counted

NOTES_FILE = "conversion.csv"
_MAX_REASONS = 5
_MAX_NOTES = 20  # shown; all stand in the file


@dataclass(frozen=True)
class Job:
    """What to convert.

    Args:
        source: a file or a folder.
        from_format: a name of :data:`FORMATS`; None: recognised by the files.
        to_format: likewise.
        out: a new or empty folder.
        images: the folder of the images; None: where the format has them.
        classes: a YAML file with ``data.classes``; None: what the source says.
        with_images: also link or copy the images.
        unlabelled: what becomes of images without labels: normal, skip or error; None: what the format means by it.
        follow_links: images may lie outside of the source and of ``images``; they are copied.
    """

    source: Path
    from_format: str | None
    to_format: str
    out: Path
    images: Path | None = None
    classes: Path | None = None
    with_images: bool = True
    unlabelled: str | None = None
    follow_links: bool = False


@dataclass(frozen=True)
class Converted:
    """What was done.

    Args:
        num_images, num_normal: of the output; normal: without objects.
        objects: of each class number.
        names: of the classes.
        notes: what is not carried over as it is, a sentence each.
        settings: the part of the settings that fits the output, as YAML; with the folder if it is AnomDet's own format.
        num_linked, num_copied: images.
        written: what is worth opening.
        recognised: the format that the source was found to be in, and by which file; empty if it was named.
        keep: what keeps the class numbers in later conversions; empty: they were given.
    """

    num_images: int
    num_normal: int
    objects: dict[int, int]
    names: dict[int, str]
    notes: tuple[str, ...]
    settings: str
    num_linked: int
    num_copied: int
    written: list[Path] = field(default_factory=list)
    recognised: str = ""
    keep: str = ""

    @property
    def text(self) -> str:
        """What was converted, what did not go along, and the settings that fit the output."""
        names = {
            number: f"{number}" if name == str(number) else f"{number} ({name})" for number, name in self.names.items()
        }
        objects = ", ".join(f"{names[number]}: {count}" for number, count in self.objects.items())
        lines = [f"recognised as {self.recognised}"] if self.recognised else []
        lines += [
            f"{counted(self.num_images, 'image')}, {self.num_normal} of them normal; "
            f"{counted(sum(self.objects.values()), 'object')}" + (f" by class: {objects}" if objects else "")
        ]
        if self.num_linked or self.num_copied:
            lines.append(f"image files: {self.num_linked} hard-linked, {self.num_copied} copied")
        if self.notes:
            lines.append("not carried over as it was:")
            lines += [f"  {note}" for note in self.notes[:_MAX_NOTES]]
        if len(self.notes) > _MAX_NOTES:
            lines.append(f"  and {len(self.notes) - _MAX_NOTES} more in {NOTES_FILE}")
        if self.keep:
            lines.append(f"later exports may count the classes otherwise: {self.keep} gives them these numbers")
        if self.settings:
            lines += ["for the settings:", *(f"  {line}" for line in self.settings.splitlines())]
        return "\n".join(lines)


def convert(job: Job) -> Converted:
    """Read one format and write another.

    Raises:
        UserError: everything that is wrong with the source, at once; nothing was written.
    """
    target_format = _check_job(job)
    findings = Findings()
    with unpacked(job.source, job.out, findings) as path, scratch_folder(job.out) as scratch:
        if path != job.source:
            findings.renamed = (str(path), job.source.name)
        name, shown_by = (job.from_format, "") if job.from_format else recognise_one(path)
        source_format = _source_format(name, job)
        source = Source(path, job.images, findings, job.unlabelled, scratch if job.with_images else None)
        given = read_classes(job.classes) if job.classes is not None else classes_beside(path)
        dataset = _read(source, source_format, given, target_format, job)
        done = _write(job, target_format, dataset, findings)
    counted_there = job.classes is None and name != "anomdet" and len(done.names) > 1
    keep = f"--classes {shlex.quote((job.out / CLASSES_FILE).as_posix())}" if counted_there else ""
    return replace(done, recognised=f"{name} ({shown_by})" if shown_by else "", keep=keep)


def _read(source: Source, source_format: Format, given: dict[int, str] | None, target: Format, job: Job) -> Dataset:
    findings, with_images = source.findings, job.with_images
    dataset = source_format.read(source)
    if source.path.is_dir():
        note_other_images(source.path, findings)
        if given is None and not dataset.names and not dataset.numbers and (source.path / CLASSES_FILE).is_file():
            findings.note(f"{CLASSES_FILE} without numbers and names, as 1: dent", "left out", CLASSES_FILE)
    read_splits(source, dataset)
    read_hard_normals(source, dataset)
    drop_left_out(dataset, findings)
    if not dataset.pictures and findings.notes and not findings.problems:
        reasons = "; ".join(_sentences(findings)[:_MAX_REASONS])
        findings.problem("SRC", "at least one image with its labels", Phrase(f"none; all were left out: {reasons}"))
    hint = "name their folder with --images" if source_format.images_apart else ""
    hint += ", or leave the images out with --no-images" if hint and with_images else ""
    if with_images:
        check_inside(dataset, source, follow_links=job.follow_links)
    check_pictures(dataset, findings, with_images=with_images, images_hint=hint)
    if given and job.classes is not None:
        take_by_name(dataset, given, classes_beside(source.path) or {}, findings)
    settle_classes(dataset, given, findings)
    check_names(dataset, findings)
    if target.by_stem:
        _check_stems(dataset, findings)
    findings.raise_problems()
    dataset.pictures.sort(key=lambda picture: picture.file_name)
    return dataset


def _source_format(name: str, job: Job) -> Format:
    if job.images is not None and not FORMATS[name].images_apart:
        hint = f"{name} has its images inside SRC"
        raise UserError(Problem("--images", "nothing", str(job.images), hint))
    return FORMATS[name]


def _check_job(job: Job) -> Format:
    problems: list[Problem | str] = []
    known = ", ".join(FORMATS)
    writable = ", ".join(name for name, one in FORMATS.items() if one.write is not None)
    if job.from_format not in (None, *FORMATS):
        problems.append(Problem("--from", f"one of {known}", repr(job.from_format)))
    if job.to_format not in FORMATS or FORMATS[job.to_format].write is None:
        only_read = "which can only be read" if job.to_format in FORMATS else ""
        problems.append(Problem("--to", f"one of {writable}", repr(job.to_format), only_read))
    if job.images is not None and not job.images.is_dir():
        problems.append(Problem("--images", "a folder of images", f"{job.images}, which is none"))
    if job.unlabelled not in (None, *UNLABELLED):
        problems.append(Problem("--unlabelled", f"one of {', '.join(UNLABELLED)}", repr(job.unlabelled)))
    try:
        check_new_folder(job.out, "--out")
        check_apart(job.out, [job.source, *([job.images] if job.images else [])], "--out")
    except UserError as error:
        problems += error.problems
    if problems:
        raise UserError(problems)
    check_source(job.source)
    return FORMATS[job.to_format]


def _check_stems(dataset: Dataset, findings: Findings) -> None:
    seen: dict[str, str] = {}
    for picture in dataset.pictures:
        other = seen.setdefault(picture.stem, picture.file_name)
        if other != picture.file_name:
            got = Phrase(f"{picture.file_name} and {other}, which would share a label file")
            findings.problem(picture.where, "image names that differ in more than the suffix", got, "rename one")


def _write(job: Job, target: Format, dataset: Dataset, findings: Findings) -> Converted:
    """Into a hidden folder, which then becomes the target.

    Raises:
        UserError: the folder cannot be written, or the disk is full.
    """
    try:
        return _write_folder(job, target, dataset, findings, _hidden_folder(job.out))
    except OSError as error:
        got = f"{job.out} ({error.strerror or error})"
        raise UserError(Problem("--out", "a folder that can be written", got, "nothing was written")) from error


def _write_folder(job: Job, target: Format, dataset: Dataset, findings: Findings, partial: Path) -> Converted:
    assert target.write is not None
    try:
        linked, copied = place_images(dataset, partial / target.images_dir) if job.with_images else (0, 0)
        target.write(dataset, partial)
        written = write_side_files(dataset, partial)
        written += _write_notes(findings, partial)
        _reveal(partial, job.out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    objects = Counter(int(box.label) for picture in dataset.pictures for box in picture.boxes)
    return Converted(
        num_images=len(dataset.pictures),
        num_normal=sum(not picture.boxes for picture in dataset.pictures),
        objects={number: objects[number] for number in dataset.names},
        names=dataset.names,
        notes=tuple(_sentences(findings)),
        settings=settings_hint(dataset, job.out.as_posix() if job.to_format == "anomdet" else None),
        num_linked=linked,
        num_copied=copied,
        written=[job.out, *(job.out / path.relative_to(partial) for path in written)],
    )


def _hidden_folder(out: Path) -> Path:
    """On the disk of the target: in it where it is there and empty (it may be a mount or the working folder)."""
    parent = out if out.is_dir() else out.parent
    parent.mkdir(parents=True, exist_ok=True)
    partial = parent / f".{out.name}.{secrets.token_hex(4)}.partial"
    partial.mkdir()
    return partial


def _reveal(partial: Path, out: Path) -> None:
    if not out.is_dir():
        partial.replace(out)
        return
    for path in sorted(partial.iterdir()):
        path.replace(out / path.name)
    partial.rmdir()


def _write_notes(findings: Findings, out: Path) -> list[Path]:
    """All that is not carried over as it was, a row for each file; nothing to report: no file."""
    if not findings.notes:
        return []
    notes = sorted(findings.notes.items())
    rows = [(what, fate, count, name) for (what, fate), files in notes for name, count in sorted(files.items())]
    return [write_text(out / NOTES_FILE, csv_text([("what", "fate", "count", "file"), *rows]))]


def _sentences(findings: Findings) -> list[str]:
    return [_sentence(what, fate, files) for (what, fate), files in sorted(findings.notes.items())]


def _sentence(what: str, fate: str, files: Counter[str]) -> str:
    first = min(files)
    places = f"{len(files)} places, the first is {first}" if len(files) > 1 else first
    return f"{files.total()} x {what}: {fate} ({places})"
