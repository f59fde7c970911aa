"""The shipped configs: complete, commented, and their Python translations in step."""

from pathlib import Path

import pytest
import yaml

from anomdet.config.describe import flat_keys
from anomdet.config.load import load_settings
from anomdet.config.translate import to_mmengine

CONFIGS = sorted(Path(__file__).parents[2].glob("configs/*.yaml"))
BRANCHING = (
    "data.tiles",
    "data.classes",
    "data.split_files",
    "data.augmentations",
    "model.overrides",
    "training.scale_lr",
    "evaluation.tta",
)


def test_all_are_found():
    assert {path.stem for path in CONFIGS} == {"default", "cpu_small", "deeppcb", "demo"}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_python_translation_is_in_step(path):
    """After a change: anomdet config --config configs/X.yaml --to py > configs/X.py"""
    translated = to_mmengine(load_settings(path)).pretty_text
    assert path.with_suffix(".py").read_text().rstrip("\n") == translated.rstrip("\n")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_key_is_there_with_a_comment_above_it(path):
    text = path.read_text()
    assert text.startswith("# yaml-language-server: $schema=settings.schema.json\n")
    values = yaml.safe_load(text)
    for key in flat_keys():
        if key.startswith(tuple(f"{branch}." for branch in BRANCHING)):
            continue
        node = values
        for name in key.split("."):
            assert name in node, f"{path.name} lacks {key}"
            node = node[name]
    lines = text.splitlines()
    deepest = {"overrides", "classes", "augmentations"}
    known = {(key.count(".") * 2, key.split(".")[-1]) for key in flat_keys()}
    for number, line in enumerate(lines):
        name, indent = line.strip().split(":")[0], len(line) - len(line.lstrip())
        if (indent, name) in known and name not in deepest:
            assert lines[number - 1].lstrip().startswith("#"), f"{path.name}:{number + 1}: {name} has no comment"
