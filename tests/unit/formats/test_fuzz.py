"""Damaged files of every format: a clear error or a conversion, never anything else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomdet.errors import UserError
from anomdet.formats.formats import FORMATS
from tests.unit.formats import test_csv_table, test_cvat, test_deeppcb, test_labelstudio, test_voc
from tests.unit.formats.cases import run, write_files
from tests.unit.formats.test_masks import mask

pytestmark = pytest.mark.slow  # seconds: not a part of `make test-fast`

ANOMDET = {
    "images/a.png": None,
    "labels/a.txt": "7 10.25 20 30 40\n-3 1 2 3 4\n",
    "classes.yaml": "data: {classes: {7: a, -3: b}}",
}
VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    1e308,
    float("nan"),
    10**30,
    "",
    "x",
    "1",
    [],
    [[]],
    {},
    {"a": []},
    [None],
)
BYTES = (
    b"",
    b"\x00",
    b"\xff\xfe",
    b"nan",
    b"-",
    b"1e999",
    b"\n",
    b"<",
    b"&x;",
    b'"',
    b"9" * 400,
    b"{",
    b"]",
    b"  ",
    "é".encode(),
)
SOURCES = {
    "csv": test_csv_table.FILES,
    "cvat": {"annotations.xml": test_cvat.EXPORT, "images/Validation/line a/x.png": None, "images/y.png": None},
    "deeppcb": test_deeppcb.FILES,
    "labelstudio": {
        "e.json": [test_labelstudio.task("a.png", test_labelstudio.annotation(test_labelstudio.result()))],
        "a.png": None,
    },
    "masks": {"images/a.png": None, "masks/a.png": mask((2, 10, 20, 30, 40))},
    "voc": {"board 1.xml": test_voc.LABELIMG, "board 1.png": None},
}


def make_source(format_name: str, folder: Path) -> Path:
    if format_name in SOURCES:
        return write_files(folder, SOURCES[format_name])
    run(write_files(folder.parent / f"{folder.name} made", ANOMDET), "anomdet", format_name, folder)
    return folder


def damage(path: Path, rng: np.random.Generator) -> None:
    """Cut, overwrite or insert bytes; in JSON also put another value anywhere."""
    data = path.read_bytes()
    path.unlink()  # it may be a hard link to an image of the source
    if path.suffix == ".json" and rng.random() < 0.7:
        path.write_text(json.dumps(replace_one(json.loads(data), rng)))
        return
    at = int(rng.integers(0, len(data) + 1))
    end = at + int(rng.integers(0, 6)) if rng.random() < 0.8 else len(data)
    path.write_bytes(data[:at] + BYTES[rng.integers(len(BYTES))] + data[end:])


def replace_one(content: Any, rng: np.random.Generator) -> Any:
    """The content with one value, at any depth, replaced or taken out."""
    if not isinstance(content, (dict, list)) or not content or rng.random() < 0.1:
        return VALUES[rng.integers(len(VALUES))]
    copy: Any = content.copy()
    key = list(content)[rng.integers(len(content))] if isinstance(content, dict) else int(rng.integers(len(content)))
    if rng.random() < 0.1:
        del copy[key]
    else:
        copy[key] = replace_one(content[key], rng)
    return copy


@pytest.mark.parametrize("format_name", sorted(FORMATS))
def test_damaged_files(format_name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(len(format_name))
    whole = make_source(format_name, tmp_path / "whole")
    files = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file())
    refused = converted = 0
    for i in range(120):
        source = shutil.copytree(whole, tmp_path / "damaged", dirs_exist_ok=True)
        damage(source / files[rng.integers(len(files))], rng)
        try:
            run(source, format_name, ("anomdet", "coco", "cvat", "voc")[i % 4], tmp_path / "out")
            converted += 1
        except UserError as error:
            refused += 1
            assert ": expected " in str(error)
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        shutil.rmtree(source)
    assert refused > 10
    assert converted > 3
