"""``anomdet init``: settings for a data folder, each choice with its reason. Imports no torch."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anomdet.errors import Problem
from anomdet.output_rule import check_apart, data_folders
from anomdet.workflows.propose import choice_problems, propose_settings, raise_any

if TYPE_CHECKING:
    from anomdet.config.schema import Settings


@dataclass(frozen=True)
class Written:
    """What ``init`` did.

    Args:
        path: the file of the settings.
        text: what was found and chosen, for the console.
        next_steps: commands to go on with.
    """

    path: Path
    text: str
    next_steps: str


def init(data_dir: Path, overrides: Sequence[str] = (), *, out: Path, device: str = "auto") -> Written:
    """Look at a data folder and write settings for it.

    Args:
        data_dir: holds images/ and labels/; it is not changed.
        overrides: ``key=value`` each: what the user has chosen, in place of a rule.
        out: a new file.
        device: ``auto`` looks for a GPU; ``cpu`` and ``gpu`` say what the training will run on.

    Raises:
        UserError: the file is there, an override is wrong, or the data has problems; nothing is written then.
    """
    check_apart(out, data_folders(data_dir), "--out")
    raise_any([*_out_problems(out), *choice_problems(device, overrides)])
    from anomdet.outputs import write_text

    found = propose_settings(data_dir, overrides, device=device)
    title = (
        f"Settings for {data_dir}, written by `anomdet init`, from configs/{found.base}.\n{found.notes[0]}\n"
        '"Chosen:" says why a value was chosen; all the others are the preset\'s. Every one is yours to change.'
    )
    write_text(out, _yaml(found.settings, title, found.reasons))
    return Written(out, "\n".join(found.notes), _next_steps(out))


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


def _yaml(settings: Settings, title: str, reasons: dict[str, str]) -> str:
    from anomdet.config.dump import annotated_yaml
    from anomdet.config.shipped import configs_dir

    return annotated_yaml(settings, title, reasons=reasons, schema=str(configs_dir() / "settings.schema.json"))


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
