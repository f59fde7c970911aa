"""``training.minutes``: from what a step takes here to the epochs that end in time, fixed before the first step."""

from __future__ import annotations

import gc
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomdet.errors import Problem, UserError
from anomdet.layout import SETTINGS
from anomdet.outputs import make_folder
from anomdet.ranks import num_processes
from anomdet.workflows.timing.read_ahead import pays, read_first
from anomdet.workflows.timing.score_time import seconds_of_score

if TYPE_CHECKING:
    from anomdet.config.schema import Settings
    from anomdet.engine.timing import Costs
    from anomdet.workflows.runs.run_config import Run

MAX_EPOCHS, MAX_VALIDATIONS = 60, 10
MIN_STEPS_AN_EPOCH = (
    25  # an epoch has whole steps: with fewer, the end of the run would miss the budget by more than 4 %
)
VALIDATION_SHARE, SAVING_SHARE = 0.06, 0.04  # of the budget
WARMUP_SHARE, WARMUP_STEPS = 0.05, 50
SHORTEST_TIMING_S, LONGEST_TIMING_S, TIMING_SHARE = 2.0, 20.0, 0.02
PLANNED = ("epochs", "epoch_images", "val_interval", "scheduler", "early_stopping")
"""The keys of ``training`` that a plan sets."""


@dataclass(frozen=True)
class Plan:
    """A run that ends in time.

    Args:
        epochs, epoch_images, val_interval: of the settings' ``training``.
        warmup_iterations: of its schedule.
        minutes: that it takes, as planned, from the start of the command.
        costs: of its parts on this machine.
        num_steps: in all.
        num_validations: in all.
    """

    epochs: int
    epoch_images: int
    val_interval: int
    warmup_iterations: int
    minutes: float
    costs: Costs
    num_steps: int
    num_validations: int

    def __str__(self) -> str:
        costs = self.costs
        return (
            f"{self.minutes:.1f} minutes: {self.epochs} epochs of {self.epoch_images:,} images, "
            f"{self.num_steps:,} steps of {costs.step_s:.3f} s (mean of {costs.num_steps}), {self.num_validations} "
            f"validations, {costs.val_image_s * 1e3:.0f} ms an image"
        )


@dataclass(frozen=True)
class Sizes:
    """What a plan has to go through.

    Args:
        pass_images: images that the sampler draws for one pass.
        val_images: of the validation split.
        batch_size: images of a batch.
        can_repeat: whether an epoch may be longer than a pass.
        unread: large images of both that are decoded once and kept, and were not yet.
    """

    pass_images: int
    val_images: int
    batch_size: int
    can_repeat: bool = True
    unread: int = 0


def plan(seconds: float, costs: Costs, sizes: Sizes, *, elapsed_s: float = 0.0, warmup: int = WARMUP_STEPS) -> Plan:
    """The epochs and validations that fill the seconds.

    An epoch is a pass over the images where that comes out even, else a little less or more; of small data it is many
    passes, so that saving after each epoch costs little. At most ten validations, and 6 % of the budget, but one.

    Args:
        seconds: of the whole run.
        costs: of its parts.
        sizes: of its data.
        elapsed_s: that are gone already.
        warmup: iterations of the settings' schedule; at most a twentieth of the steps.

    Raises:
        UserError: the seconds do not suffice for one step and one validation.
    """
    left_s = seconds - elapsed_s - costs.setup_s
    epochs, interval, steps = _divided(left_s, costs, sizes)
    validations = math.ceil(epochs / interval)
    fixed_s = seconds - left_s + _besides_steps(epochs, validations, costs, sizes)
    if steps < 1:
        least = math.ceil((seconds - left_s + _besides_steps(1, 1, costs, sizes) + costs.step_s) / 6) / 10
        expected = f"at least {least}: the start, one step, a validation and its checkpoints take as long here"
        hint = "give it more, or fewer images to validate on; with data.tiles each of them costs as much as its tiles"
        raise UserError(Problem("training.minutes", expected, f"{seconds / 60:g}", hint))
    return Plan(
        epochs=epochs,
        epoch_images=steps * sizes.batch_size,
        val_interval=interval,
        warmup_iterations=min(warmup, int(WARMUP_SHARE * epochs * steps)),
        minutes=(fixed_s + epochs * steps * costs.step_s) / 60,
        costs=costs,
        num_steps=epochs * steps,
        num_validations=validations,
    )


def _divided(left_s: float, costs: Costs, sizes: Sizes) -> tuple[int, int, int]:
    """Epochs, epochs between two validations, and steps of an epoch that fill the seconds."""
    pass_steps = math.ceil(sizes.pass_images / sizes.batch_size)
    most = min(MAX_EPOCHS, int(left_s / costs.step_s / MIN_STEPS_AN_EPOCH), int(SAVING_SHARE * left_s / costs.save_s))
    epochs = max(min(round(left_s / (pass_steps * costs.step_s)), most), 1)
    affordable = max(int(VALIDATION_SHARE * left_s / _validation_s(costs, sizes)), 1)
    while True:
        interval = math.ceil(epochs / min(epochs, MAX_VALIDATIONS, affordable))
        steps_s = left_s - _besides_steps(epochs, math.ceil(epochs / interval), costs, sizes)
        steps = int(steps_s / epochs / costs.step_s)
        if sizes.can_repeat or steps <= pass_steps:
            return epochs, interval, steps
        epochs += 1


def _validation_s(costs: Costs, sizes: Sizes) -> float:
    """With best_model.pth, and last.pth once more."""
    return costs.val_image_s * sizes.val_images + 2 * costs.save_s


def seconds_of(epochs: int, steps: int, validations: int, costs: Costs, sizes: Sizes) -> float:
    """What a run takes, of so many epochs, steps and validations in all."""
    return costs.setup_s + steps * costs.step_s + _besides_steps(epochs, validations, costs, sizes)


def _besides_steps(epochs: int, validations: int, costs: Costs, sizes: Sizes) -> float:
    """Seconds of validating and saving; last.pth is written after each epoch."""
    return validations * _validation_s(costs, sizes) + epochs * costs.save_s


def planned(settings: Settings, plan: Plan) -> Settings:
    """The settings with the plan in place of the minutes: they repeat the run on any machine."""
    training = settings.training
    schedule = training.scheduler.model_copy(update={"warmup_iterations": plan.warmup_iterations})
    if schedule.name == "cosine_annealing_warm_restarts":
        schedule = schedule.model_copy(update={"name": "cosine_annealing"})
    values = dict(
        minutes=None,
        epochs=plan.epochs,
        epoch_images=plan.epoch_images,
        val_interval=plan.val_interval,
        scheduler=schedule,
        early_stopping=training.early_stopping.model_copy(update={"enabled": False}),
    )
    return settings.model_copy(update={"training": training.model_copy(update=values)})


def as_planned(settings: Settings, log_dir: Path) -> Settings:
    """The settings with the plan that an interrupted run began with, which its settings.yaml holds.

    Raises:
        UserError: no such file, or one without a plan.
    """
    from anomdet.config.load import load_settings

    path = log_dir / SETTINGS
    hint = "train without --resume; or write the run's epochs and training.minutes=null"
    if not path.is_file():
        raise UserError(
            Problem("--resume with training.minutes", f"{path}, which holds the plan", "no such file", hint)
        )
    before = load_settings(path).training
    if before.minutes is not None or before.epoch_images is None:
        raise UserError(Problem(str(path), "the planned epochs of the run", "none", hint))
    values = {key: getattr(before, key) for key in PLANNED}
    return settings.model_copy(update={"training": settings.training.model_copy(update={"minutes": None, **values})})


def time_here(
    config: Any, seconds: float, scratch: Path | None = None, *, limit_s: float = math.inf
) -> tuple[Costs, Sizes]:
    """Run some steps of a complete config on this machine.

    Args:
        config: of the settings, classes not yet filled in; it is not changed.
        seconds: of training steps.
        scratch: see :func:`anomdet.engine.timing.time_run`.
        limit_s: of training steps, however few they are.

    Raises:
        UserError: the run is one of several processes.
    """
    if num_processes() > 1:
        hint = "plan with one process first; settings.yaml in its log_dir then has the epochs"
        raise UserError(Problem("training.minutes", "null with several processes", "a number", hint))
    from anomdet.data.kept import unread
    from anomdet.engine.timing import for_timing, time_run
    from anomdet.workflows.runs.build import build_loader, build_runner, complete
    from anomdet.workflows.runs.fit_machine import for_machine

    started = time.monotonic()
    fitted, _ = for_machine(complete(config))
    fitted.train_dataloader.sampler.pop("num_samples", None)
    loader = build_loader(fitted)
    pass_images, num_unread = int(loader.sampler.num_draws), len(unread(loader.dataset))
    can_repeat = bool(fitted.train_dataloader.sampler.get("replacement", True))
    runner = build_runner(for_timing(fitted, seconds, limit_s), log_name=None)
    setup_s = time.monotonic() - started
    costs = replace(time_run(runner, scratch), setup_s=setup_s)
    batch_size, val = config.train_dataloader.batch_size, runner.val_dataloader.dataset
    sizes = Sizes(pass_images, len(val), batch_size, can_repeat, num_unread + len(unread(val)))
    del runner, val
    gc.collect()  # its processes that load images, and its memory; hooks and runner refer to each other
    return costs, sizes


def expected_minutes(settings: Settings, costs: Costs, sizes: Sizes) -> float:
    """How long a run without a budget takes, as it was timed here; an early stop may end it sooner.

    Args:
        settings: of the run, with ``training.epochs``.
        costs, sizes: as :func:`time_here` found them.
    """
    training = settings.training
    steps = math.ceil((training.epoch_images or sizes.pass_images) / sizes.batch_size)
    validations = math.ceil(training.epochs / training.val_interval)
    besides_s = _besides_steps(training.epochs, validations, costs, sizes)
    return (costs.setup_s + training.epochs * steps * costs.step_s + besides_s) / 60


def timing_seconds(minutes: float) -> float:
    """Of a timing run before a run of so many minutes."""
    return min(max(TIMING_SHARE * minutes * 60, SHORTEST_TIMING_S), LONGEST_TIMING_S)


def notes_of(before: Settings, plan: Plan) -> list[str]:
    """What the log says about a plan."""
    notes = [f"plan: {plan}"]
    if before.training.scheduler.name == "cosine_annealing_warm_restarts":
        notes.append("plan: scheduler cosine_annealing in place of warm restarts: one fall that ends with the run")
    if before.training.early_stopping.enabled:
        notes.append("plan: early_stopping off: the schedule ends where the budget does")
    return notes


def with_plan(run: Run, *, resume: bool, started: float) -> tuple[Run, list[str]]:
    """The run with fixed epochs in place of ``training.minutes``, and notes for the log.

    Args:
        run: of the command; without minutes it stays as it is.
        resume: continue with the plan that an earlier start wrote.
        started: of the command, by the monotonic clock.

    Raises:
        UserError: see :func:`plan`, :func:`time_here` and :func:`as_planned`.
    """
    minutes = run.config.get("minutes")
    if minutes is None:
        return run, []
    if run.settings is None:
        hint = "a plan is made from YAML settings; the config.py of such a run has its epochs"
        raise UserError(Problem(f"{run.path}: minutes", "None in a Python config", f"{minutes:g}", hint))
    from anomdet.config.translate import to_mmengine

    logs, training = run.settings.logging, run.settings.training
    if resume:
        settings = as_planned(run.settings, Path(logs.log_dir))
        notes = [f"plan: as the run began, {settings.training.epochs} epochs; it is not timed again"]
    else:
        with run.blamed():
            costs, sizes, notes = _timed(run, minutes * 60, started)
            score_s = seconds_of_score(run.config)
        warmup, elapsed_s = training.scheduler.warmup_iterations, time.monotonic() - started
        found = plan(minutes * 60, costs, sizes, elapsed_s=elapsed_s + score_s, warmup=warmup)
        notes += [f"plan: {score_s:.0f} s of it for the normal-only score"] if score_s else []
        settings, notes = planned(run.settings, found), [*notes, *notes_of(run.settings, found)]
    return replace(run, settings=settings, config=to_mmengine(settings)), notes


def _timed(run: Run, seconds: float, started: float) -> tuple[Costs, Sizes, list[str]]:
    """What the parts of a run take, large images read first where that pays, and a note of it."""
    assert run.settings is not None
    scratch = make_folder(run.settings.logging.checkpoint_dir, "logging.checkpoint_dir")
    costs, sizes = time_here(run.config, timing_seconds(seconds / 60), scratch)
    if not pays(sizes.unread, costs.step_s / sizes.batch_size, seconds - (time.monotonic() - started)):
        return costs, sizes, []
    note = read_first(run.config)
    return *time_here(run.config, timing_seconds(seconds / 60), scratch), [note]
