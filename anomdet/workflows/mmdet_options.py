"""The options of MMDetection's tools in the language of our settings."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from anomdet.errors import Problem, UserError
from anomdet.layout import LAST

_WITH_VALUE = (
    *("--work-dir", "--out", "--show-dir", "--output-dir", "--split", "--show-number", "--launcher"),
    *("--resume", "--wait-time", "--show-interval"),
)
_PICKLES = (".pkl", ".pickle")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"command line: {message}; see: python tools/{self.prog} --help")


def train() -> argparse.ArgumentParser:
    """Of ``tools/train.py CONFIG``."""
    parser = _parser("train.py", "Train a detector.", "tools/train.py configs/cpu_small.yaml --work-dir work_dirs/a")
    parser.add_argument("--work-dir", help="folder of logs and checkpoints")
    parser.add_argument("--amp", action="store_true", help="mixed precision")
    parser.add_argument("--auto-scale-lr", action="store_true", help="needs training.scale_lr, or auto_scale_lr")
    resume = f"continue from {LAST}, or from the {LAST} that is named"
    parser.add_argument("--resume", nargs="?", const="auto", metavar="CHECKPOINT", help=resume)
    _launcher(parser)
    return parser


def test() -> argparse.ArgumentParser:
    """Of ``tools/test.py CONFIG CHECKPOINT``."""
    parser = _parser("test.py", "Measure a detector.", "tools/test.py run.yaml checkpoints/best_model.pth --split val")
    parser.add_argument("checkpoint")
    parser.add_argument("--work-dir", help="folder of logs and, without --out, of the results")
    parser.add_argument(
        "--out", help="folder of metrics.json and predictions.json; or FILE.pkl for MMDetection's tools"
    )
    parser.add_argument("--show", action="store_true", help="show each image in a window")
    parser.add_argument("--wait-time", type=float, default=2, help="seconds of each window")
    parser.add_argument("--show-dir", help="folder of images; without it none are drawn")
    parser.add_argument(
        "--tta", action="store_true", help="test-time augmentation: mirrored, too, unless CONFIG says how"
    )
    parser.add_argument("--split", default="test", help="train, val or test")
    _launcher(parser)
    return parser


def browse_dataset() -> argparse.ArgumentParser:
    """Of ``tools/browse_dataset.py CONFIG``."""
    parser = _parser("browse_dataset.py", "Draw the training data.", "tools/browse_dataset.py run.yaml --show-number 8")
    parser.add_argument("--output-dir", help="folder of the images")
    parser.add_argument("--show-number", type=int, default=16, help="how many")
    parser.add_argument("--not-show", action="store_true", help="no window is shown in any case")
    parser.add_argument("--show-interval", type=float, help="not used: no window is shown")
    return parser


def visualize() -> argparse.ArgumentParser:
    """Of ``tools/visualize.py CONFIG CHECKPOINT``."""
    parser = _parser("visualize.py", "Draw predictions.", "tools/visualize.py run.yaml checkpoints/best_model.pth")
    parser.add_argument("checkpoint")
    parser.add_argument("--output-dir", help="folder of the images")
    parser.add_argument("--split", default="test", help="train, val or test")
    return parser


def _parser(prog: str, description: str, example: str) -> argparse.ArgumentParser:
    parser = _Parser(prog=prog, description=description, epilog=f"Example: python {example}", allow_abbrev=False)
    parser.add_argument("config", help="YAML settings or a Python config")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    options = "key=value ..., settings of a YAML file or keys of a Python config"
    parser.add_argument("--cfg-options", action="append", default=[], metavar="KEY=VALUE", help=options)
    return parser


def _launcher(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--launcher", choices=["none", "pytorch"], default="none", help="pytorch: under torchrun")
    parser.add_argument("--local-rank", "--local_rank", type=int, help=argparse.SUPPRESS)


def check_options(args: argparse.Namespace) -> None:
    """Refuse what MMDetection's tool would do and this one does in another way, saying how.

    Raises:
        UserError: all such options.
    """
    if problems := list(_problems(args)):
        raise UserError(problems)


def _problems(args: argparse.Namespace) -> Iterator[Problem]:
    if getattr(args, "launcher", "none") == "pytorch" and "WORLD_SIZE" not in os.environ:
        hint = "start it with tools/dist_train.sh CONFIG GPUS or tools/dist_test.sh CONFIG CHECKPOINT GPUS"
        yield Problem("--launcher pytorch", "to be started by torchrun", "no WORLD_SIZE", hint)
    resume = getattr(args, "resume", None)
    if resume not in (None, "auto") and Path(resume).name != LAST:
        hint = f"to start a new run from these weights: --cfg-options model.weights={resume}"
        yield Problem("--resume", f"a {LAST}, which holds the optimizer and where the run stood", resume, hint)
    python = args.config.endswith(".py")
    if getattr(args, "auto_scale_lr", False) and not (_value(args, "scale_lr") or (python and _base_batch_size(args))):
        key, hint = "training.scale_lr", "--cfg-options 'training.scale_lr={base_batch_size: 16}'"
        if python:
            key, hint = "auto_scale_lr.base_batch_size", "write in CONFIG: auto_scale_lr = dict(base_batch_size=16)"
        yield Problem("--auto-scale-lr", f"{key}: the batch that the learning rate is meant for", "none", hint)
    if getattr(args, "show", False) and not _has_display():
        yield Problem("--show", "a display", "none here", "use --show-dir FOLDER")
    if python and getattr(args, "show", False):
        hint = "give the YAML settings of the run, or run MMDetection's own: anomdet mmdet test.py"
        yield Problem("--show", "YAML settings", args.config, hint)
    if names_pickle(args):
        out = str(args.out)
        if python:
            hint = "run MMDetection's own: anomdet mmdet test.py CONFIG CHECKPOINT --out FILE.pkl"
            yield Problem("--out", "a folder, for a Python config", out, hint)
        if os.path.lexists(out):
            yield Problem("--out", "a new file", f"{out}, which is there", "nothing was changed; name another")


def _has_display() -> bool:
    return not sys.platform.startswith("linux") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _value(args: argparse.Namespace, key: str) -> Any:
    """A section of the MMEngine config of CONFIG with ``--cfg-options``."""
    from anomdet.workflows.runs.run_config import value_of

    return value_of(args.config, key, [_with_list(text) for text in args.cfg_options])


def _base_batch_size(args: argparse.Namespace) -> Any:
    return (_value(args, "auto_scale_lr") or {}).get("base_batch_size")


def out_folder(args: argparse.Namespace) -> str | None:
    """Where metrics.json goes; None: where it goes without ``--out``."""
    return None if names_pickle(args) else args.out


def names_pickle(args: argparse.Namespace) -> bool:
    """Whether ``--out`` names a file of MMDetection's instead of a folder."""
    out = getattr(args, "out", None)
    return out is not None and Path(out).suffix in _PICKLES


def one_each(arguments: list[str]) -> list[str]:
    """Every ``key=value`` with ``--cfg-options`` before it, written or not; CONFIG may stand anywhere.

    The value of another option (``--work-dir runs/lr=0.1``) stays what it is.
    """
    spelled: list[str] = []
    inside = False
    for text, before in zip(arguments, ["", *arguments], strict=False):
        if text == "--cfg-options":
            inside = True
            continue
        is_setting = "=" in text and not text.startswith("-")
        if is_setting and (inside or before not in _WITH_VALUE):
            spelled.append(f"--cfg-options={text}")
            continue
        inside = False
        spelled.append(text)
    return spelled


def overrides_of(args: argparse.Namespace) -> list[str]:
    """The overrides of ``--cfg-options``, ``--work-dir`` and ``--amp`` in the language of the config."""
    python = args.config.endswith(".py")
    overrides = [_with_list(text) for text in args.cfg_options]
    work_dir = getattr(args, "work_dir", None)
    if work_dir:
        keys = ("work_dir", "default_hooks.checkpoint.out_dir")
        if not python:
            keys = ("logging.log_dir", "logging.checkpoint_dir")
        overrides += [f"{key}={_quoted(work_dir)}" for key in keys]
    resume = getattr(args, "resume", None)
    if resume not in (None, "auto"):
        key = "default_hooks.checkpoint.out_dir" if python else "logging.checkpoint_dir"
        overrides.append(f"{key}={_quoted(str(Path(resume).parent))}")
    if getattr(args, "auto_scale_lr", False) and python and not _value(args, "scale_lr"):
        overrides.append(f"auto_scale_lr={{enable: true, base_batch_size: {_base_batch_size(args)}}}")
    if getattr(args, "tta", False) and not _value(args, "tta"):
        overrides.append("tta={flips: [horizontal]}" if python else "evaluation.tta=true")
    if getattr(args, "show", False):
        shown = {"type": "DetVisualizationHook", "draw": True, "show": True, "wait_time": args.wait_time}
        overrides.append(_appended(args, "training.hooks", shown))
    if names_pickle(args):
        overrides.append(_appended(args, "metrics.extra", {"type": "DumpDetResults", "out_file_path": args.out}))
    if getattr(args, "amp", False):
        overrides.append("optim_wrapper.type=AmpOptimWrapper" if python else "training.use_amp=true")
    return overrides


def _appended(args: argparse.Namespace, key: str, added: dict[str, Any]) -> str:
    """The override of a list in the settings: the user's entries stay; a hook is not there twice."""
    from anomdet.config.load import load_settings

    settings: Any = load_settings(args.config, [_with_list(text) for text in args.cfg_options])
    section, name = key.split(".")
    entries = list(getattr(getattr(settings, section), name))
    same = [at for at, one in enumerate(entries) if one.get("type") in (added["type"], f"mmdet.{added['type']}")]
    if same and section == "training":
        entries[same[0]] = {**entries[same[0]], **added}
    else:
        entries.append(added)
    return f"{key}={json.dumps(entries, ensure_ascii=False, default=str)}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _with_list(text: str) -> str:
    """MMDetection writes lists as ``key=a,b`` too."""
    key, equals, value = text.partition("=")
    bare = "," in value and not any(mark in value for mark in "[](){}'\"")
    return f"{key}{equals}[{value}]" if bare else text
