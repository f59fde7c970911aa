"""A generated data set, and its health by the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from anomdet.data.synth.generate import CLASSES, generate
from anomdet.quality.check.check import Rules, check_data
from anomdet.quality.health.plan import Plan
from anomdet.quality.health.report import measure_health


def make_plan(**changed: Any) -> Plan:
    return Plan(**{"size_hw": (96, 128), "model": "faster_rcnn", "anchored": True, "imbalance": "none", **changed})


def health_of(data_dir: Path, plan: Plan | None = None, rules: Rules | None = None) -> dict[str, Any]:
    checked = check_data(data_dir, rules or Rules())
    return measure_health(checked, checked.findings, plan or make_plan())


def split_by_number(data_dir: Path) -> dict[str, str]:
    names = sorted(path.name for path in (data_dir / "images").iterdir())
    return {name: ("train", "train", "val", "test")[at % 4] for at, name in enumerate(names)}


@pytest.fixture(scope="session")
def parts_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 images that are wider than high."""
    return generate(tmp_path_factory.mktemp("parts") / "data", num_images=60, size_hw=(120, 200)).data_dir


@pytest.fixture(scope="session")
def parts(parts_dir: Path) -> dict[str, Any]:
    """Its health, with splits."""
    plan = make_plan(classes=CLASSES, split_of=split_by_number(parts_dir), ratios=(0.5, 0.25, 0.25))
    return health_of(parts_dir, plan, Rules(classes=CLASSES))
