"""Our nodes under MMEngine's root registries: in a config, ``anomdet.TextLabelDataset`` and the like.

Each node imports its modules at the first look-up, so importing this module costs only MMEngine's registry.
"""

from mmengine.registry import DATA_SAMPLERS as ROOT_DATA_SAMPLERS
from mmengine.registry import DATASETS as ROOT_DATASETS
from mmengine.registry import FUNCTIONS as ROOT_FUNCTIONS
from mmengine.registry import HOOKS as ROOT_HOOKS
from mmengine.registry import LOOPS as ROOT_LOOPS
from mmengine.registry import METRICS as ROOT_METRICS
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS as ROOT_OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.registry import OPTIM_WRAPPERS as ROOT_OPTIM_WRAPPERS
from mmengine.registry import PARAM_SCHEDULERS as ROOT_PARAM_SCHEDULERS
from mmengine.registry import RUNNERS as ROOT_RUNNERS
from mmengine.registry import TASK_UTILS as ROOT_TASK_UTILS
from mmengine.registry import TRANSFORMS as ROOT_TRANSFORMS
from mmengine.registry import VISBACKENDS as ROOT_VISBACKENDS
from mmengine.registry import VISUALIZERS as ROOT_VISUALIZERS
from mmengine.registry import Registry

from anomdet import ops

SCOPE = "anomdet"

# Whoever reaches our registries will build MMDetection's models, and these need mmcv's operators.
ops.install()


def _node(name: str, parent: Registry, *locations: str) -> Registry:
    return Registry(name, parent=parent, scope=SCOPE, locations=[f"anomdet.{place}" for place in locations])


DATASETS = _node("dataset", ROOT_DATASETS, "data.dataset")
_STEPS = ("steps", "augment", "tile_steps", "copy_paste", "mosaic")
TRANSFORMS = _node("transform", ROOT_TRANSFORMS, *(f"data.pipeline.{file}" for file in _STEPS))
FUNCTIONS = _node("function", ROOT_FUNCTIONS, "data.pipeline.tile_steps")
DATA_SAMPLERS = _node("data sampler", ROOT_DATA_SAMPLERS, "data.sampling.sampler", "data.sampling.whole_batches")
MODELS = _node("model", ROOT_MODELS, "models")
TASK_UTILS = _node("task util", ROOT_TASK_UTILS, "models", "inference.tiled_samples")
METRICS = _node("metric", ROOT_METRICS, "evaluation.metric")
HOOKS = _node("hook", ROOT_HOOKS, "engine.hooks", "engine.timing")
LOOPS = _node("loop", ROOT_LOOPS, "engine.loops")
OPTIM_WRAPPERS = _node("optimizer wrapper", ROOT_OPTIM_WRAPPERS, "engine.mixed_precision")
OPTIM_WRAPPER_CONSTRUCTORS = _node("optimizer wrapper constructor", ROOT_OPTIM_WRAPPER_CONSTRUCTORS, "engine.optim")
PARAM_SCHEDULERS = _node("parameter scheduler", ROOT_PARAM_SCHEDULERS, "engine.schedules")
RUNNERS = _node("runner", ROOT_RUNNERS, "engine.runner")
VISUALIZERS = _node("visualizer", ROOT_VISUALIZERS)
VISBACKENDS = _node("vis_backend", ROOT_VISBACKENDS, "engine.trackers")
