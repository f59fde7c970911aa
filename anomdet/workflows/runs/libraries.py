"""Import MMDetection, quietly and at the least cost."""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import sys
import warnings

from anomdet.workflows.runs.lazy_imports import put_off

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_LARGEST = 2**31 - 1


def load_libraries() -> None:
    """Import MMDetection quietly, with mmcv's operators supplied where its compiled extension is missing."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    import anomdet.registry  # noqa: F401 - supplies mmcv's operators, so it comes first

    keep_freed_memory()
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(), put_off():
        warnings.simplefilter("ignore")
        import mmdet.datasets
        import mmdet.models  # noqa: F401

        from anomdet.engine.registered_names import only_registered_names
        from anomdet.models.mmdet_heads import complete_heads

        only_registered_names()
        complete_heads()


def keep_freed_memory() -> bool:
    """Ask glibc not to give large blocks back to the kernel as soon as they are freed; returns whether it agreed.

    A run frees and allocates the same feature maps at each step, and the kernel would hand out fresh, zeroed pages
    each time: a convolution to a map of 39 MB takes 29 ms in place of 7. The peak of the memory stays the same.
    Linux with glibc only; elsewhere nothing is done.
    """
    if not sys.platform.startswith("linux"):
        return False
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        return bool(mallopt(_MMAP_THRESHOLD, _LARGEST // 2) and mallopt(_TRIM_THRESHOLD, _LARGEST))
    return False
