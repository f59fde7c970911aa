"""The options of MMDetection's tools in the language of our settings."""

from __future__ import annotations

import argparse

_WITH_VALUE = ("--work-dir", "--out", "--show-dir", "--output-dir", "--split", "--show-number", "--launcher")


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
    if getattr(args, "amp", False):
        overrides.append("optim_wrapper.type=AmpOptimWrapper" if python else "training.use_amp=true")
    return overrides


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _with_list(text: str) -> str:
    """MMDetection writes lists as ``key=a,b`` too."""
    key, equals, value = text.partition("=")
    bare = "," in value and not any(mark in value for mark in "[](){}'\"")
    return f"{key}{equals}[{value}]" if bare else text
