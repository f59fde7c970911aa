"""What the settings say in the language of MMDetection or Albumentations, of any keys: names, and no code."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from anomdet.config.problems import KeyPath, Report

FOREIGN: tuple[KeyPath, ...] = (
    ("model", "overrides"),
    ("training", "hooks"),
    ("data", "dataset"),
    ("data", "transforms"),
    ("data", "augmentations"),
    ("metrics", "extra"),
)
_PYTHON_FILES = {"FileBackbone": "custom_backbone_file", "FileModel": "custom_model_file"}
_TYPE_NAME = re.compile(r"[\w.]+")
_PLAIN_NAME = re.compile(r"[\w .\-/*:]+")


def check_names(value_of: Callable[[KeyPath], Any], report: Report) -> None:
    """Keys become the source of ``config.py`` as they are, where one with a quote in it would be code.

    Args:
        value_of: key to its value in the settings.
        report: takes the problems.
    """
    for path in FOREIGN:
        for inner, value in _inside(value_of(path), path):
            key = str(inner[-1])
            if not _PLAIN_NAME.fullmatch(key):
                report.add(inner, "a name of letters, digits, spaces and . _ - / * :", repr(key))
            elif key == "type" and (named := _PYTHON_FILES.get(str(value).rpartition(".")[2])):
                report.add(inner, "a type that runs no Python file", repr(value), f"write model.{named}")
            elif key == "type" and isinstance(value, str) and not _TYPE_NAME.fullmatch(value):
                report.add(inner, "the name of a class", repr(value))  # mmcv evaluates that of an NMS as Python


def _inside(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(value, dict):
        for key, child in value.items():
            yield (*path, key), child
            yield from _inside(child, (*path, key))
    elif isinstance(value, list):
        for position, child in enumerate(value):
            yield from _inside(child, (*path, f"[{position}]"))
