"""MMEngine's Runner with our logging, checkpoints, weights and watch over many processes."""

from __future__ import annotations

import contextlib
import copy
import logging
import platform
from collections.abc import Callable, Sequence
from logging.handlers import MemoryHandler
from pathlib import Path
from typing import Any

import mmdet
import mmengine
import torch
from mmengine.logging import MMLogger
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmengine.visualization import Visualizer
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import bf16_compress_hook
from torch.utils.data import DataLoader

import anomdet
from anomdet.engine.checkpoint import CheckpointFile, load_weights, read_checkpoint
from anomdet.engine.distributed.agreement import agree, checksum
from anomdet.engine.distributed.buckets import settle_buckets
from anomdet.engine.distributed.collected_warnings import collect_warnings
from anomdet.engine.distributed.elastic import fit_to_processes
from anomdet.engine.distributed.joining import joining
from anomdet.engine.distributed.loader_signals import end_processes, outlive_sigterm
from anomdet.engine.distributed.same_settings import agree_on_settings
from anomdet.engine.distributed.shared_averages import share_averages
from anomdet.engine.distributed.watch import Watch, watch
from anomdet.engine.log_handlers import FORMAT, Console, LogFile, OwnLines, Waiting
from anomdet.engine.mixed_precision import fit_precision
from anomdet.engine.plain_state import history_from_plain
from anomdet.engine.weights import resolve_weights, use_safe_loading
from anomdet.errors import UserError
from anomdet.layout import TRAINING_LOG, VIS_DATA
from anomdet.ops.convolution import use_fast_convolutions
from anomdet.ops.postprocessing import take_over
from anomdet.registry import RUNNERS, VISBACKENDS, VISUALIZERS

_TIMEOUT_S = 600.0


def _to_channels_last(_: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return tuple(x.contiguous(memory_format=torch.channels_last) for x in inputs)


@RUNNERS.register_module()
class InspectionRunner(Runner):
    """A Runner that writes ``<work_dir>/<log_name>`` and nothing else of its own; ``cfg.log_name=None``: no file."""

    _log_dir: str
    watch: Watch | None = None
    preloaded: CheckpointFile | None = None  # a checkpoint that was read before, and need not be again
    inference: dict[str, Any] | None = None  # what its checkpoints carry so that they stand alone

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        use_safe_loading()
        super().__init__(*args, **kwargs)
        with contextlib.suppress(OSError):  # not empty, or another process was faster
            Path(self._log_dir).rmdir()
        self._log_dir = self.work_dir
        if self.watch is not None:
            self.watch.runner = self

    @classmethod
    def from_cfg(cls, cfg: Any) -> Runner:
        """MMEngine's; fits precision and weights to this machine where no workflow did: for MMDetection's own tools."""
        config = copy.deepcopy(cfg)
        if config.get("optim_wrapper"):
            fit_precision(config)
        resolve_weights(config)
        return super().from_cfg(config)

    def setup_env(self, env_cfg: dict[str, Any]) -> None:
        """MMEngine's; of many processes each is watched from here on, and all must have the same settings."""
        with joining():
            super().setup_env(env_cfg)
        if self.world_size > 1:
            timeout_s = env_cfg.get("dist_cfg", {}).get("timeout", _TIMEOUT_S)
            self.watch = watch(self.rank, self.world_size, timeout_s)
            agree_on_settings(self.cfg)

    def train(self) -> Any:
        return self._without_leftovers(super().train)

    def val(self) -> Any:
        return self._without_leftovers(super().val)

    def test(self) -> Any:
        return self._without_leftovers(super().test)

    def _without_leftovers(self, run: Callable[[], Any]) -> Any:
        try:
            return run()
        finally:
            for loop in (self._train_loop, self._val_loop, self._test_loop):
                end_processes(getattr(loop, "dataloader", None))  # a loop that was not needed is still a dict

    def call_hook(self, fn_name: str, **kwargs: Any) -> None:
        """MMEngine's; the watch learns where the process stands, before any hook runs."""
        if self.watch is not None:
            self.watch.at(fn_name, kwargs.get("batch_idx", 0))
        super().call_hook(fn_name, **kwargs)

    def build_logger(self, log_level: int | str = "INFO", log_file: str | None = None, **_: Any) -> MMLogger:
        level = logging.getLevelName(log_level) if isinstance(log_level, str) else log_level
        logger = MMLogger.get_instance(self._experiment_name, logger_name="anomdet", log_level=level)
        logger.handlers.clear()
        logger.setLevel(level)  # so that a line nobody reads is not even put together
        handlers: list[logging.Handler] = [Console()]
        name = self.cfg.get("log_name", TRAINING_LOG)
        if self.rank == 0:
            # Lines of a log that is opened later wait for it.
            handlers.append(self._log_file(name) if name else Waiting(10_000, logging.CRITICAL + 1))
        for handler in handlers:
            handler.setFormatter(FORMAT)
            handler.setLevel(level if self.rank == 0 else logging.ERROR)
            handler.addFilter(OwnLines(level))
            logger.handlers.append(handler)
        if self.watch is not None:
            collect_warnings(self.watch.warned, logger, self.rank)
        return logger

    def open_log(self, name: str) -> None:
        """Write the log, from its first line on, to ``<work_dir>/<name>`` too: for a Runner with ``log_name=None``."""
        waiting = [handler for handler in self.logger.handlers if isinstance(handler, MemoryHandler)]
        self.cfg.log_name = name
        self.build_logger(self.cfg.log_level)
        for handler in waiting:
            handler.setTarget(self.logger.handlers[-1])
            handler.close()

    def _log_file(self, name: str) -> logging.Handler:
        return LogFile((Path(self.work_dir) / name).open("a", encoding="utf-8"))

    @staticmethod
    def build_dataloader(dataloader: Any, seed: int | None = None, diff_rank_seed: bool = False) -> DataLoader:
        """MMEngine's; its processes live as long as the step under way needs them."""
        return outlive_sigterm(Runner.build_dataloader(dataloader, seed=seed, diff_rank_seed=diff_rank_seed))

    def build_model(self, model: Any) -> torch.nn.Module:
        model = super().build_model(model)
        if self.cfg.get("channels_last"):
            model.to(memory_format=torch.channels_last)
            use_fast_convolutions(model)
            if hasattr(model, "backbone"):  # a user's model takes a list of images
                model.backbone.register_forward_pre_hook(_to_channels_last)
        take_over(model)
        return model

    def wrap_model(self, model_wrapper_cfg: Any, model: torch.nn.Module) -> torch.nn.Module:
        """MMEngine's, with losses averaged over all processes and, if asked for, gradients sent in bfloat16."""
        if self.world_size > 1:
            share_averages(model)
        wrapped = super().wrap_model(model_wrapper_cfg, model)
        if is_model_wrapper(wrapped) and self.cfg.get("distributed", {}).get("gradient_compression") == "bfloat16":
            wrapped.register_comm_hook(None, bf16_compress_hook)
        if self.optim_wrapper is not None:  # a test has no backward pass, and needs no memory for gradients
            settle_buckets(wrapped)
        return wrapped

    def load_checkpoint(self, filename: str, map_location: Any = "cpu", **_: Any) -> dict[str, Any]:
        """Load weights: all of them for a resume or a test, those that fit for a new training.

        Raises:
            UserError: unreadable, not weights only, or another model's.
        """
        file = self.preloaded
        if file is None or str(file.path) != str(filename):
            file = read_checkpoint(filename, map_location)
        checkpoint = dict(file.content)
        if self._resume and self._train_loop is not None:
            scale_lr = bool(self.cfg.get("scale_lr"))
            note = fit_to_processes(checkpoint, self.train_dataloader, self.world_size, scale_lr=scale_lr)
            if note:
                self.logger.warning(note)
        self.call_hook("after_load_checkpoint", checkpoint=checkpoint)
        model = self.model.module if is_model_wrapper(self.model) else self.model
        starting = self._train_loop is not None and not self._resume
        if "message_hub" in checkpoint and self._resume:
            checkpoint["message_hub"] = history_from_plain(checkpoint["message_hub"], filename)
        loaded = load_weights(model, checkpoint, filename, strict=not starting)
        self.logger.log(logging.INFO if loaded.are_most else logging.WARNING, loaded.line)
        self._has_loaded = True
        return checkpoint

    def load_or_resume(self) -> None:
        """MMEngine's; many processes then make sure that all continue from one state.

        Raises:
            UserError: as :meth:`load_checkpoint`; or the processes differ.
        """
        if self._has_loaded or self.world_size == 1:
            super().load_or_resume()
            return
        failure = None
        try:
            super().load_or_resume()
            model = self.model.module if is_model_wrapper(self.model) else self.model
            at = f"iteration {self.iter} of epoch {self.epoch + 1}, " if self._train_loop is not None else ""
            seen = f"{at}weights {checksum(model.parameters())}"
        except UserError as error:
            failure, seen = error, str(error)
        agree("the state to begin from", seen, self._load_from)
        if failure is not None:
            raise failure

    def build_visualizer(self, visualizer: Any = None) -> Visualizer:
        if not isinstance(visualizer, dict):
            return visualizer or Visualizer.get_instance(self._experiment_name)
        # A run's own: MMEngine would hand out one that another run of this process made under the same name.
        own = {"name": self._experiment_name, "save_dir": self.work_dir}
        return VISUALIZERS.build({**visualizer, **own})

    def begin_tracking(self, backends: Sequence[dict[str, Any]]) -> None:
        """Hand the config, and from now on numbers and images, to these backends of MMEngine's or ours."""
        for backend in backends:
            built = VISBACKENDS.build({"save_dir": str(Path(self.work_dir) / VIS_DATA), **backend})
            self.visualizer._vis_backends[type(built).__name__] = built
            built.add_config(self.cfg)

    def _log_env(self, env_cfg: dict[str, Any]) -> None:
        device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
        self.logger.debug(
            f"AnomDet {anomdet.__version__}, Python {platform.python_version()}, torch {torch.__version__}, "
            f"mmengine {mmengine.__version__}, mmdet {mmdet.__version__}, {device}, {torch.get_num_threads()} threads, "
            f"{self.world_size} processes, seed {self.seed}"
        )

    def dump_config(self) -> None:
        """The command line writes the config itself, before the Runner is built."""
