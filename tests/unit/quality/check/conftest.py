"""Data sets to check: the demo's, and DeepPCB where it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from anomdet.data.synth.generate import generate

DEEPPCB = Path(os.environ.get("ANOMDET_DEEPPCB", Path(__file__).parents[5] / "shared" / "data" / "deeppcb"))


@pytest.fixture(scope="session")
def demo_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's data: square images."""
    return generate(tmp_path_factory.mktemp("demo") / "data", num_images=400, size_hw=(160, 160)).data_dir


@pytest.fixture(scope="session")
def wide_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in images that are wider than high."""
    return generate(tmp_path_factory.mktemp("wide") / "data", num_images=150, size_hw=(120, 200)).data_dir


@pytest.fixture(scope="session")
def deeppcb_dir() -> Path:
    """DeepPCB in our format: 1,250 images."""
    if not (DEEPPCB / "images").is_dir():
        pytest.skip("DeepPCB is not here; ANOMDET_DEEPPCB names its folder")
    return DEEPPCB


@pytest.fixture(params=["demo", "deeppcb"])
def any_dir(request: pytest.FixtureRequest) -> Path:
    """Both of them, one after the other."""
    folder: Path = request.getfixturevalue(f"{request.param}_dir")
    return folder
