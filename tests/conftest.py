"""What every test needs: MMDetection importable without mmcv's compiled extension, and no network."""

import os

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

from anomdet import ops

ops.install()
