"""The hooks of a run: progress, checkpoints, early stopping, seeds. Importing this registers them."""

from anomdet.engine.hooks.average import AverageHook
from anomdet.engine.hooks.buffers import SameBuffersHook
from anomdet.engine.hooks.changed_files import ChangedFilesHook
from anomdet.engine.hooks.checkpoints import BestAndLastHook
from anomdet.engine.hooks.early_stopping import EarlyStopping
from anomdet.engine.hooks.progress import ProgressHook
from anomdet.engine.hooks.seeds import IterationSeedHook
from anomdet.engine.hooks.trackers import ScalarsHook, TrackerHook
from anomdet.engine.hooks.visualize import VisualizeHook

__all__ = [
    "AverageHook",
    "BestAndLastHook",
    "ChangedFilesHook",
    "EarlyStopping",
    "IterationSeedHook",
    "ProgressHook",
    "SameBuffersHook",
    "ScalarsHook",
    "TrackerHook",
    "VisualizeHook",
]
