"""Where images come from: files, folders, globs, lists, names on a stream, videos, cameras, arrays.

Nothing is held: items are made one by one, so that a million images take no more memory than ten.
"""

from __future__ import annotations

import csv
import glob
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomdet.data.images.decode import read_image
from anomdet.data.images.read_header import IMAGE_SUFFIXES
from anomdet.errors import Problem, UserError
from anomdet.inference.arrays import Pixels, array_items
from anomdet.inference.item import Item, UnreadableImageError, file_item
from anomdet.inference.video import VIDEO_SUFFIXES, camera_items, is_address, video_items
