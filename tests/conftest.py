"""What every test needs: MMDetection importable without mmcv's compiled extension, and no network."""

import os
import signal
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
# Not the caches of whoever runs the tests.
_caches = tempfile.TemporaryDirectory(prefix="anomdet_caches_")
os.environ["ANOMDET_CACHE_DIR"] = _caches.name
# A shell starts background jobs deaf to Ctrl-C; the tests send it, also to the processes that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

from anomdet import ops  # noqa: E402 (after the environment is set)

ops.install()

from anomdet.workflows.runs.lazy_imports import put_off  # noqa: E402

_ALL_SLOW = "\npytestmark = pytest.mark.slow"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """The modules of the tests import MMDetection as the commands do: without what no detector of boxes uses."""
    with put_off():
        return (yield)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Without the slow tests (`make test-fast`), a module that has no others is not even imported."""
    if config.option.markexpr != "not slow" or collection_path.suffix != ".py":
        return None
    return _ALL_SLOW in collection_path.read_text(encoding="utf-8") or None


@pytest.fixture
def small_images_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Decoded or fitted pixels of images of 1,000 px and more are kept below ``cache/`` of the test's folder."""
    from anomdet.data import kept, pixel_store
    from anomdet.data.pipeline import steps
    from anomdet.data.tiles import decoded

    monkeypatch.setenv("ANOMDET_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(pixel_store, "_FREE_SHARE", 0.0)
    for module in (steps, decoded):
        monkeypatch.setattr(module, "LEAST_MEGAPIXELS", 0.001)
    for module in (steps, kept):
        monkeypatch.setattr(module, "FITTED", pixel_store.PixelStore("fitted"))
    for module in (kept, decoded):
        monkeypatch.setattr(module, "DECODED", pixel_store.PixelStore("decoded"))
