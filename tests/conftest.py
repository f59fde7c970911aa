"""What every test needs: MMDetection importable without mmcv's compiled extension, and no network."""

import os
import signal

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
# A shell starts background jobs deaf to Ctrl-C; the tests send it, also to the processes that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

from anomdet import ops  # noqa: E402 (after the environment is set)

ops.install()
