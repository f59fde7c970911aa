"""MLflow and Weights & Biases as MMEngine's visualization backends, which write below one folder by default."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.visualization.vis_backend import LocalVisBackend, MLflowVisBackend, WandbVisBackend, force_init_env
from numpy.typing import NDArray

from anomdet.errors import Problem, UserError
from anomdet.registry import VISBACKENDS

_MLFLOW_SERVER = "MLFLOW_TRACKING_URI"
_log = logging.getLogger("anomdet")


@VISBACKENDS.register_module()
class RunImages(LocalVisBackend):
    """What hooks such as DetVisualizationHook draw, as ``<save_dir>/vis_image/<name>_<step>.png``.

    The config and the numbers have files of their own, which every run writes.
    """

    def add_config(self, config: Any, **_: Any) -> None:
        """Nothing: ``config.py``."""

    def add_scalar(self, name: str, value: Any, step: int = 0, **_: Any) -> None:
        """Nothing: ``scalars.json``."""

    def add_scalars(self, scalar_dict: dict[str, Any], step: int = 0, file_path: str | None = None, **_: Any) -> None:
        """Nothing: ``scalars.json``."""


@VISBACKENDS.register_module()
class MLflowTracker(MLflowVisBackend):
    """A run in the server that ``MLFLOW_TRACKING_URI`` names, else in ``<save_dir>/mlflow.db``.

    Not MMEngine's own way to begin: that writes into a folder, which MLflow refuses (seen with 3.17), and needs the
    files of MMEngine's log.

    Args:
        save_dir: folder of the database and of the artifacts.
        exp_name: the experiment that the run belongs to.
    """

    def __init__(self, save_dir: str, exp_name: str = "anomdet") -> None:
        super().__init__(save_dir, exp_name=exp_name, artifact_suffix=())

    def _init_env(self) -> None:
        import mlflow

        for name in ("mlflow", "alembic"):  # they tell of each table that they make
            logging.getLogger(name).setLevel(logging.WARNING)
        folder = Path(self._save_dir).absolute()
        server = os.environ.get(_MLFLOW_SERVER)
        with _refused("mlflow", mlflow.MlflowException, f"pip install mlflow, or name a server by {_MLFLOW_SERVER}"):
            mlflow.set_tracking_uri(server or f"sqlite:///{folder / 'mlflow.db'}")
            if not server:
                os.environ.pop(_MLFLOW_SERVER, None)  # set by MLflow; the next training has a folder of its own
                folder.mkdir(parents=True, exist_ok=True)
                if mlflow.get_experiment_by_name(self._exp_name) is None:
                    mlflow.create_experiment(self._exp_name, artifact_location=(folder / "artifacts").as_uri())
            mlflow.set_experiment(self._exp_name)
            mlflow.start_run()
        self._mlflow = mlflow

    @force_init_env
    def add_image(self, name: str, image: NDArray[np.uint8], step: int = 0, **_: Any) -> None:
        """An RGB image at an iteration; MMEngine's would name a file without an ending, which MLflow cannot write."""
        key = re.sub(r"[^\w\-./ ]", "_", name, flags=re.ASCII)  # what MLflow allows
        try:
            self._mlflow.log_image(image, key=key, step=step, synchronous=True)
        except self._mlflow.MlflowException as error:
            _log.warning(f"mlflow: image {name} of iteration {step} was not logged: {error}")


@VISBACKENDS.register_module()
class WandbTracker(WandbVisBackend):
    """A run of Weights & Biases below ``<save_dir>/wandb``; ``WANDB_MODE=offline`` keeps it there.

    Args:
        save_dir: wandb makes its folder in it.
        project: that the run belongs to.
    """

    def __init__(self, save_dir: str, project: str = "anomdet") -> None:
        super().__init__(save_dir, init_kwargs={"project": project})

    def _init_env(self) -> None:
        from wandb.errors import Error

        with _refused("wandb", Error, "run wandb login, or set WANDB_MODE=offline to write below log_dir alone"):
            super()._init_env()

    @force_init_env
    def add_config(self, config: Any, **_: Any) -> None:
        """The config alone; MMEngine's would send every Python file below the folder of the command too."""
        self._wandb.config.update(config.to_dict())

    @force_init_env
    def add_scalars(self, scalar_dict: dict[str, Any], step: int = 0, file_path: str | None = None, **_: Any) -> None:
        """Numbers at an iteration of the training; MMEngine's would count its own calls instead."""
        self._wandb.log(scalar_dict, step=step)

    @force_init_env
    def add_image(self, name: str, image: NDArray[np.uint8], step: int = 0, **_: Any) -> None:
        """An RGB image at an iteration; MMEngine's would count its own calls instead."""
        self._wandb.log({name: self._wandb.Image(image)}, step=step)


@contextlib.contextmanager
def _refused(name: str, kind: type[Exception], hint: str) -> Iterator[None]:
    """Within, an error of the tracker's own is one of the user's."""
    try:
        yield
    except kind as error:
        got = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise UserError(Problem(f"logging.trackers: {name}", "a run that can begin", got, hint)) from error
