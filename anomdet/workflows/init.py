"""``anomdet init``: settings for a data folder, each choice with its reason. Imports no torch."""

from __future__ import annotations

import contextlib
import math
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from anomdet.errors import Problem, UserError
from anomdet.output_rule import check_apart, data_folders
from anomdet.terminal import one_line
from anomdet.words import counted
from anomdet.workflows.data_folder.beside_data import refuse_raw_data
from anomdet.workflows.propose import Proposal, choice_problems, is_this_machine, propose_settings, raise_any

if TYPE_CHECKING:
    from anomdet.config.schema import Settings
    from anomdet.workflows.timing.time_budget import Plan

_COMPLETE = '"Chosen:" says why a value was chosen; all the others are the preset\'s.'
_SHORT = (
    "A comment says why a value was chosen; those without one are the preset's; all others, the defaults, are left out."
)
_PLANNED = "by the plan of training.minutes"
_NOT_TIMED = "  time          not planned: --minutes 30 times some steps here, and plans a run that ends in time"


@dataclass(frozen=True)
class Written:
    """What ``init`` did.

    Args:
        path: the file of the settings.
        text: what was found and chosen, for the console.
        next_steps: commands to continue with.
    """

    path: Path
    text: str
    next_steps: str


def init(
    data_dir: Path,
    overrides: Sequence[str] = (),
    *,
    out: Path,
    device: str = "auto",
    minutes: float | None = None,
    short: bool = False,
    timing: bool = False,
) -> Written:
    """Look at a data folder and write settings for it.

    Args:
        data_dir: holds images/ and labels/; it is not changed.
        overrides: ``key=value`` each: what the user has chosen, in place of a rule.
        out: a new file.
        device: ``auto`` looks for a GPU; ``cpu`` and ``gpu`` say what the training will run on.
        minutes: that a run may take; some of its steps are timed on this machine. None: as the preset goes, untimed.
        short: write only what was chosen and what differs from the defaults; the settings are the same.
        timing: without minutes, time some steps here and say what the epochs take; it costs some seconds, and torch.

    Raises:
        UserError: the file is there, an override is wrong, or the data has problems; nothing is written then.
    """
    check_apart(out, data_folders(data_dir), "--out")
    raise_any(
        [
            *_data_problems(data_dir),
            *_name_problems(data_dir),
            *_out_problems(out),
            *_minutes_problems(minutes, overrides),
            *choice_problems(device, overrides),
        ]
    )
    from anomdet.outputs import write_text

    found = propose_settings(data_dir, overrides, device=device)
    if minutes is not None and found.settings.model.name is None:
        hint = "only the normal-only score is learned, which has no epochs to plan"
        raise_any([Problem("--minutes", "none for a folder of normal images", f"{minutes:g}", hint)])
    if minutes is not None:
        found = _with_minutes(
            found, minutes, lambda mp: propose_settings(data_dir, overrides, device=device, megapixels=mp)
        )
    title = (
        f"Settings for {data_dir}, written by `anomdet init`, from configs/{found.base}.\n{found.notes[0]}\n"
        f"{_SHORT if short else _COMPLETE} Every one is yours to change.\n"
        f"Relative paths start from the folder of the command; this file was written in {one_line(str(Path.cwd()))}."
    )
    write_text(out, _yaml(found.settings, title, found.reasons, short=short))
    notes = [*found.notes, *(_time_notes(found, device, timing=timing) if minutes is None else [])]
    return Written(out, "\n".join(notes), _next_steps(out))


def _time_notes(found: Proposal, device: str, *, timing: bool) -> list[str]:
    """What the run takes; not of another machine's network, nor of the normal-only score, which has no epochs."""
    if found.settings.model.name is None:
        return []
    if not timing or not is_this_machine(device):
        return [_NOT_TIMED]
    from anomdet.workflows.timing.time_estimate import time_notes

    return time_notes(found.settings)


def _name_problems(data_dir: Path) -> list[Problem]:
    if one_line(str(data_dir)) == str(data_dir):
        return []
    hint = "rename it, or go into it and name it ."
    return [
        Problem("DATA_DIR", "a path in UTF-8 without control characters, for settings to name", str(data_dir), hint)
    ]


def _minutes_problems(minutes: float | None, overrides: Sequence[str]) -> list[Problem]:
    if minutes is None:
        return []
    planned = ("training.minutes", "training.epochs", "training.epoch_images", "training.val_interval")
    given = [key for text in overrides if (key := text.partition("=")[0].strip()) in planned]
    problems = [
        Problem(key, "no value beside --minutes, which plans it", "one", "leave one of both out") for key in given
    ]
    if not 0 < minutes < math.inf:
        problems.append(Problem("--minutes", "a number above 0", f"{minutes:g}"))
    return problems


def _with_minutes(found: Proposal, minutes: float, propose: Callable[[float], Proposal]) -> Proposal:
    """The proposal with ``training.minutes``; a preview of the plan is timed, and stands among the reasons.

    Args:
        found: for any time.
        minutes: of the run.
        propose: the same data and wishes, for a run that has time for so many megapixels of the network's input.
    """
    from anomdet.config.translate_data import size_hw
    from anomdet.workflows.runs.libraries import load_libraries

    load_libraries()
    try:
        preview = _preview(found, minutes)
    except UserError:  # no time for one step and a validation of what the data calls for
        least = propose(0.0)
        if least.settings.data == found.settings.data:
            raise
        found, preview = least, _preview(least, minutes)
    height, width = size_hw(found.settings.data.image_size)
    fitting = propose(preview.epochs * preview.epoch_images * height * width / 1e6)
    if fitting.settings.data == found.settings.data:
        found = fitting
    else:
        with contextlib.suppress(UserError):  # that size, larger than one which has the time, has not
            preview, found = _preview(fitting, minutes), fitting
    planned = {key: getattr(preview, key) for key in ("epochs", "epoch_images", "val_interval")}
    training = found.settings.training.model_copy(update={"minutes": minutes, **planned})
    settings = found.settings.model_copy(update={"training": training})
    reason = f"given by --minutes; timed here, {preview}; `anomdet train` times it again, and sets the keys of the plan"
    notes = [line for line in found.notes if not line.lstrip().startswith("epochs ")]
    return replace(
        found,
        settings=settings,
        reasons={**found.reasons, "training.minutes": reason, **{f"training.{key}": _PLANNED for key in planned}},
        notes=[*notes, _plan_note(preview)],
    )


def _plan_note(preview: Plan) -> str:
    from anomdet.quality.propose.image_size import FEW_IMAGES

    images = preview.epochs * preview.epoch_images
    if images >= FEW_IMAGES:
        return f"  plan          {preview}"
    few = f"only {counted(images, 'image')} drawn in all, of which hardly anything is learned: give it more minutes"
    return f"! plan          {preview}; {few}"


def _preview(found: Proposal, minutes: float) -> Plan:
    """The plan of a run of these minutes, from some steps of it here."""
    from anomdet.config.translate import to_mmengine
    from anomdet.workflows.timing.read_ahead import pays, without_decoding
    from anomdet.workflows.timing.score_time import seconds_of_score
    from anomdet.workflows.timing.time_budget import plan, time_here, timing_seconds

    config, warmup = to_mmengine(found.settings), found.settings.training.scheduler.warmup_iterations
    costs, sizes = time_here(config, timing_seconds(minutes))
    first_s = 0.0
    if pays(sizes.unread, costs.step_s / sizes.batch_size, minutes * 60):
        costs, first_s = without_decoding(config, costs, sizes.unread, sizes.batch_size)
    return plan(minutes * 60, costs, sizes, elapsed_s=first_s + seconds_of_score(config), warmup=warmup)


def _data_problems(data_dir: Path) -> list[Problem]:
    """A folder that is not there; what is in it is looked at later."""
    from anomdet.data.index.scan import no_data_folder

    if data_dir.is_dir():
        return []
    refuse_raw_data(data_dir)
    return list(filter(None, [no_data_folder("DATA", data_dir)]))


def _out_problems(out: Path) -> list[Problem]:
    problems = []
    if out.exists():
        hint = "name another file with --out, or move this one away first"
        problems.append(Problem(f"--out {out}", "a new file", "a folder" if out.is_dir() else "one that exists", hint))
    elif out.suffix not in (".yaml", ".yml"):
        problems.append(Problem(f"--out {out}", "a name that ends with .yaml", repr(out.name)))
    elif not out.parent.is_dir():
        problems.append(Problem(f"--out {out}", "a file in a folder that is there", f"no folder {out.parent}"))
    return problems


def _yaml(settings: Settings, title: str, reasons: dict[str, str], *, short: bool) -> str:
    from anomdet.config.dump import annotated_yaml, short_yaml
    from anomdet.config.shipped import configs_dir

    write = short_yaml if short else annotated_yaml
    return write(settings, title, reasons=reasons, schema=str(configs_dir() / "settings.schema.json"))


def _next_steps(out: Path) -> str:
    config = shlex.quote(str(out))
    return "\n".join(
        [
            "next:",
            f"  anomdet browse --config {config}     # the images as the network sees them",
            f"  anomdet train --config {config}",
            f"  anomdet evaluate --config {config}",
        ]
    )
