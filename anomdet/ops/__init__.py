"""mmcv's compiled operators out of torchvision's, so that nothing needs compiling.

Call :func:`install` before anything imports ``mmcv.ops``; in worker processes started by spawn as well. Where a
compiled ``mmcv._ext`` is installed, that one is used and this room stays idle.
"""

from anomdet.ops.finder import install

__all__ = ["callers", "convolution", "forks", "install", "postprocessing", "proposals"]
