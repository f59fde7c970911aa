"""The hooks, with a fake Runner: early stopping, best and last checkpoints, seeds, the words of the progress."""

from __future__ import annotations

import math
import random
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from anomdet.engine.checkpoint import load_checkpoint
from anomdet.engine.distributed.stop import Stop
from anomdet.engine.hooks import BestAndLastHook, EarlyStopping, IterationSeedHook
from anomdet.engine.hooks.progress import ProgressHook, readable_time

NAN = math.nan


class Loader:
    """Seven batches."""

    batch_size = 4
    dataset = SimpleNamespace(metainfo={}, split_hashes={"train": "abc"})

    def __len__(self) -> int:
        return 7


class Runner:
    """As much of MMEngine's as the hooks touch."""

    def __init__(self, *, resume: bool = False, rank: int = 0, val_interval: int = 1, max_epochs: int = 10) -> None:
        self.epoch, self.iter, self.rank, self.seed, self.world_size = 0, 0, rank, 0, 1
        self._resume = resume
        self.train_loop = SimpleNamespace(
            stop_training=False, val_begin=1, val_interval=val_interval, max_epochs=max_epochs
        )
        self.lines: list[str] = []
        self.logger = SimpleNamespace(info=self.lines.append, warning=self.lines.append)
        self.model = nn.Linear(2, 1)
        self.message_hub = SimpleNamespace(state_dict=dict)
        self.optim_wrapper = SimpleNamespace(state_dict=dict, should_update=lambda: self.steps)
        self.steps = True
        self.param_schedulers: list[Any] = []
        self.cfg = SimpleNamespace(pretty_text="")
        self.train_dataloader = Loader()
        self.watch: Any = None
        self.metric = SimpleNamespace(chosen_point=lambda: None)
        self.val_loop = SimpleNamespace(evaluator=SimpleNamespace(metrics=[self.metric]))

    def call_hook(self, name: str, **_: Any) -> None:
        assert name == "before_save_checkpoint"

    def run(self, hook: Any, scores: list[float | None]) -> int:
        """Epochs as MMEngine's loop runs them; None: no validation after that epoch. Returns the epochs done."""
        hook.before_train(self)
        for score in scores:
            if self.train_loop.stop_training:
                break
            with torch.no_grad():
                self.model.weight.fill_(float(self.epoch + 1))
            hook.after_train_epoch(self)
            self.epoch += 1
            if score is not None:
                hook.after_val_epoch(self, {"mAP": score, "val_loss": score, "other": 1.0})
        return self.epoch


STOPS: dict[str, tuple[dict[str, Any], list[float], int]] = {
    "it rises": (dict(patience=2), [0.1, 0.2, 0.3, 0.4, 0.5], 5),
    "a plateau stops": (dict(patience=2), [0.5] * 6, 3),
    "a plateau at zero stops": (dict(patience=2), [0.0] * 6, 3),
    "it falls": (dict(patience=2), [0.5, 0.4, 0.3, 0.2], 3),
    "a rise starts the count anew": (dict(patience=2), [0.5, 0.4, 0.6, 0.5, 0.5, 0.5], 5),
    "below the best does not count": (dict(patience=2), [0.5, 0.3, 0.4, 0.45], 3),
    "patience 1": (dict(patience=1), [0.5, 0.5, 0.9], 2),
    "NaN is not better": (dict(patience=2), [0.5, NAN, NAN, 0.9], 3),
    "NaN at first": (dict(patience=3), [NAN, NAN, 0.1, 0.1, 0.1, 0.2], 6),
    "all NaN": (dict(patience=2), [NAN] * 5, 2),
    "NaN has a limit of its own": (dict(patience=9, nan_limit=2), [0.5, NAN, 0.4, NAN, NAN, 0.9], 5),
    "a warm-up uses no patience": (dict(patience=2, warmup_epochs=3), [0.5, 0.4, 0.4, 0.4, 0.4, 0.4], 5),
    "NaN counts in the warm-up too": (dict(patience=2, warmup_epochs=5, nan_limit=2), [NAN, NAN, 0.4], 2),
    "a loss falls": (dict(patience=2, monitor="val_loss"), [0.5, 0.4, 0.3, 0.2], 4),
    "a loss rises": (dict(patience=2, monitor="val_loss"), [0.5, 0.6, 0.5, 0.1], 3),
    "a loss and min_delta": (dict(patience=2, monitor="val_loss", min_delta=0.1), [0.5, 0.45, 0.41, 0.1], 3),
    "min_delta": (dict(patience=2, min_delta=0.1), [0.5, 0.55, 0.59, 0.9], 3),
    "min_delta reached": (dict(patience=2, min_delta=0.1), [0.5, 0.55, 0.65, 0.7, 0.72, 0.9], 5),
}


@pytest.mark.parametrize("name", STOPS)
def test_early_stopping(name: str) -> None:
    arguments, scores, epochs = STOPS[name]
    runner = Runner()
    assert runner.run(EarlyStopping(**arguments), list(scores)) == epochs
    stopped = epochs < len(scores)
    if stopped:
        assert runner.train_loop.stop_training
        assert f"stopped early after epoch {epochs}" in runner.lines[-1]


def test_an_undefined_metric_stops_nothing() -> None:
    runner = Runner()
    hook = EarlyStopping(monitor="mAP_50", patience=2, nan_limit=2)
    assert runner.run(hook, [0.1, 0.2, 0.3, 0.4]) == 4
    assert (hook.bad_validations, hook.nan_validations) == (0, 0)


def test_early_stopping_goes_on_after_a_resume() -> None:
    first, checkpoint = EarlyStopping(patience=3), {}
    runner = Runner()
    runner.run(first, [0.5, 0.4])
    first.before_save_checkpoint(runner, checkpoint)
    resumed = EarlyStopping(patience=3)
    again = Runner(resume=True)
    resumed.after_load_checkpoint(again, checkpoint)
    assert again.run(resumed, [0.4, 0.4, 0.4]) == 2
    # Loading weights for another training brings no counts along.
    fresh = EarlyStopping(patience=3)
    fresh.after_load_checkpoint(Runner(resume=False), checkpoint)
    assert (fresh.best_score, fresh.bad_validations) == (-math.inf, 0)


def test_a_stopped_run_stays_stopped_when_resumed() -> None:
    first, checkpoint = EarlyStopping(patience=1), {}
    runner = Runner()
    runner.run(first, [0.5, 0.5])
    first.before_save_checkpoint(runner, checkpoint)
    resumed = EarlyStopping(patience=1)
    again = Runner(resume=True)
    resumed.after_load_checkpoint(again, checkpoint)
    assert again.run(resumed, [0.9]) == 0
    # With more patience it goes on.
    patient = EarlyStopping(patience=2)
    patient.after_load_checkpoint(again, checkpoint)
    assert Runner(resume=True).run(patient, [0.9]) == 1


def saved(folder: Path, name: str) -> tuple[int, float]:
    checkpoint = load_checkpoint(folder / name)
    return checkpoint["meta"]["epoch"], float(checkpoint["state_dict"]["weight"][0, 0])


BEST: dict[str, tuple[list[float | None], int, float]] = {
    "the best in the middle": ([0.1, 0.5, 0.3], 2, 0.5),
    "equal scores keep the first": ([0.5, 0.5], 1, 0.5),
    "NaN at first": ([NAN, 0.0, -0.5], 2, 0.0),
    "NaN later": ([0.2, NAN], 1, 0.2),
    "zeros": ([0.0, 0.0], 1, 0.0),
}


@pytest.mark.parametrize("name", BEST)
def test_best_and_last(tmp_path: Path, name: str) -> None:
    scores, best_epoch, best_score = BEST[name]
    hook = BestAndLastHook(str(tmp_path / "checkpoints"))
    epochs = Runner(max_epochs=len(scores)).run(hook, scores)
    folder = tmp_path / "checkpoints"
    assert saved(folder, "best_model.pth") == (best_epoch, best_epoch)
    assert saved(folder, "last.pth") == (epochs, epochs)
    assert load_checkpoint(folder / "last.pth")["meta"]["best"] == dict(
        score=best_score, epoch=best_epoch, monitor="mAP"
    )
    assert {path.name for path in folder.iterdir()} == {"best_model.pth", "last.pth"}


@pytest.mark.parametrize("score", [NAN, math.inf, -math.inf])
@pytest.mark.parametrize("monitor", ["mAP", "val_loss", "mAP_75"])  # the last is in no validation here
def test_what_is_no_number_is_never_the_best(tmp_path: Path, score: float, monitor: str) -> None:
    Runner(max_epochs=2).run(BestAndLastHook(str(tmp_path), monitor=monitor), [score, score])
    assert {path.name for path in tmp_path.iterdir()} == {"last.pth"}
    assert load_checkpoint(tmp_path / "last.pth")["meta"]["best"]["epoch"] == 0


@pytest.mark.parametrize(
    ("skipped", "metrics", "best_epoch"),
    [
        (0, {"mAP": 0.0}, 1),
        (2, {"mAP": 0.0, "val_loss": 3.0}, 1),  # one bad batch at the end of a sound epoch
        (2, {"mAP": 0.0, "val_loss": NAN}, 0),
        (2, {"mAP": 0.0, "val_loss": math.inf}, 0),
        (2, {"mAP": 0.0}, 0),
        (0, {"mAP": 0.0, "val_loss": NAN}, 1),  # a loss that is undefined on these images
    ],
)
def test_a_diverged_model_is_not_the_best_with_a_score_of_0(
    tmp_path: Path, skipped: int, metrics: dict[str, float], best_epoch: int
) -> None:
    runner, hooks = Runner(), [BestAndLastHook(str(tmp_path)), EarlyStopping()]
    runner.train_loop.skipped_in_a_row, runner.epoch = skipped, 1
    for hook in hooks:
        hook.after_val_epoch(runner, metrics)
    assert hooks[0].best_epoch == best_epoch
    assert (hooks[1].nan_validations == 0) == (best_epoch == 1)


@pytest.mark.parametrize("bad", [NAN, math.inf])
def test_weights_that_are_not_finite_are_never_the_best(tmp_path: Path, bad: float) -> None:
    hook, runner = BestAndLastHook(str(tmp_path)), Runner(max_epochs=3)
    runner.run(hook, [0.5])
    with torch.no_grad():
        runner.model.bias.fill_(bad)
    runner.epoch = 2
    hook.after_val_epoch(runner, {"mAP": 0.9})
    assert saved(tmp_path, "best_model.pth")[0] == 1
    assert (hook.best_epoch, hook.best_score) == (1, 0.5)
    assert "weights are NaN or infinite" in runner.lines[-1]


def test_last_is_written_after_every_epoch_validated_or_not(tmp_path: Path) -> None:
    hook, runner = BestAndLastHook(str(tmp_path)), Runner(val_interval=2, max_epochs=5)
    hook.before_train(runner)
    for epoch in range(1, 6):
        hook.after_train_epoch(runner)
        runner.epoch += 1
        if epoch % 2 == 0 or epoch == 5:
            # The epoch is not over, but its last batch is done: a kill in the validation loses nothing.
            meta = load_checkpoint(tmp_path / "last.pth")["meta"]
            assert (meta["epoch"], meta["batch"]) == (epoch - 1, 7)
            hook.after_val_epoch(runner, {"mAP": 0.1 * epoch})
        assert saved(tmp_path, "last.pth")[0] == epoch
    assert saved(tmp_path, "best_model.pth")[0] == 5


def test_a_best_checkpoint_that_is_gone_is_not_waited_for(tmp_path: Path) -> None:
    """No later epoch was better, and the run ended with the name of a file that is not there."""
    Runner(max_epochs=2).run(BestAndLastHook(str(tmp_path)), [0.5, 0.4])
    (tmp_path / "best_model.pth").unlink()
    hook, runner = BestAndLastHook(str(tmp_path)), Runner(resume=True, max_epochs=3)
    hook.after_load_checkpoint(runner, load_checkpoint(tmp_path / "last.pth"))
    assert runner.lines[-1].endswith("of epoch 1, is lost; the best epoch from here on is kept")
    runner.epoch = 2
    runner.run(hook, [0.3])
    assert saved(tmp_path, "best_model.pth")[0] == 3


def test_the_lowest_loss_is_the_best(tmp_path: Path) -> None:
    Runner(max_epochs=3).run(BestAndLastHook(str(tmp_path), monitor="val_loss"), [0.5, 0.2, 0.3])
    assert saved(tmp_path, "best_model.pth")[0] == 2
    assert load_checkpoint(tmp_path / "last.pth")["meta"]["best"] == dict(score=0.2, epoch=2, monitor="val_loss")


def test_checkpoints_carry_what_they_belong_to(tmp_path: Path) -> None:
    Runner(max_epochs=1).run(BestAndLastHook(str(tmp_path)), [0.5])
    meta = load_checkpoint(tmp_path / "last.pth")["meta"]
    assert meta["split_hashes"] == {"train": "abc"}
    assert {"cfg", "dataset_meta", "anomdet_version", "torch_version", "seed", "best"} <= set(meta)


def test_the_operating_point_travels_with_the_checkpoints(tmp_path: Path) -> None:
    runner = Runner(max_epochs=2)
    points = iter([{"point": 1}, {"point": 1}, {"point": 2}])
    runner.metric.chosen_point = lambda: next(points)
    runner.run(BestAndLastHook(str(tmp_path)), [0.5, 0.4])
    assert load_checkpoint(tmp_path / "best_model.pth")["meta"]["operating_point"] == {"point": 1}
    assert load_checkpoint(tmp_path / "last.pth")["meta"]["operating_point"] == {"point": 2}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_step_and_saves(tmp_path: Path, number: signal.Signals) -> None:
    hook, runner = BestAndLastHook(str(tmp_path)), Runner()
    runner.epoch, runner.iter = 2, 17
    received: list[int] = []
    before = signal.signal(number, lambda got, _: received.append(got))
    try:
        hook.before_train_epoch(runner)
        signal.raise_signal(number)
        runner.steps = False  # in the middle of an accumulation
        hook.after_train_iter(runner, batch_idx=2)
        assert (received, list(tmp_path.iterdir())) == ([], [])
        runner.steps = True
        with pytest.raises(KeyboardInterrupt):
            hook.after_train_iter(runner, batch_idx=3)
        assert received == [number]
        signal.raise_signal(number)  # the earlier handler is back
        assert received == [number] * 2
    finally:
        signal.signal(number, before)
    meta = load_checkpoint(tmp_path / "last.pth")["meta"]
    assert (meta["epoch"], meta["batch"], meta["iter"]) == (2, 4, 18)
    assert str(hook.last) == "epoch 3 up to batch 4"


def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    hook = BestAndLastHook(str(tmp_path))
    hook.before_train_epoch(Runner())
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_of_many_processes_one_ctrl_c_comes_twice(tmp_path: Path) -> None:
    """From the terminal and from torchrun: the second counts only once some time has gone by."""
    hook, runner = BestAndLastHook(str(tmp_path)), Runner()
    armed: list[tuple[int, int, int]] = []
    stop = Stop()
    runner.watch = SimpleNamespace(arm=lambda *step: armed.append(step), stop=stop, wait_for_the_first=lambda: None)
    runner.epoch = 2
    runner.train_loop.first_batch = 3
    hook.before_train_epoch(runner)
    assert armed == [(0, 4, 1)]  # of the batches that are left, from which accumulated gradients count too
    for _ in range(2):
        signal.raise_signal(signal.SIGINT)
    stop.hold(signal.SIGINT)
    stop.agree([1, 1])
    hook.before_train_iter(runner, batch_idx=3)
    with pytest.raises(KeyboardInterrupt):
        hook.after_train_iter(runner, batch_idx=3)
    assert load_checkpoint(tmp_path / "last.pth")["meta"]["batch"] == 4
    hook.signals.watch()
    hook.signals.noted, hook.signals.pause_s = signal.SIGINT, 0.0
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_signal_after_the_last_step_of_an_epoch(tmp_path: Path) -> None:
    hook, runner = BestAndLastHook(str(tmp_path)), Runner()
    hook.before_train_epoch(runner)
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        hook.after_train_epoch(runner)
    assert load_checkpoint(tmp_path / "last.pth")["meta"]["batch"] == 7


@pytest.mark.parametrize("held", [False, True])
def test_of_many_processes_a_signal_at_the_end_of_an_epoch_waits_for_nobody(tmp_path: Path, held: bool) -> None:
    """Of its own thread, which had no time to ask the others; or of the others, which have gone."""
    hook, runner, stop = BestAndLastHook(str(tmp_path)), Runner(), Stop()
    runner.train_loop.first_batch = 0
    runner.watch = SimpleNamespace(arm=lambda *_: None, stop=stop, wait_for_the_first=lambda: pytest.fail("waits"))
    hook.before_train_epoch(runner)
    signal.raise_signal(signal.SIGINT)
    if held:
        stop.hold(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        hook.after_train_epoch(runner)
    assert load_checkpoint(tmp_path / "last.pth")["meta"]["batch"] == 7


def test_what_is_agreed_on_holds_at_the_end_of_an_epoch(tmp_path: Path) -> None:
    hook, runner, stop = BestAndLastHook(str(tmp_path)), Runner(val_interval=2), Stop()
    waited: list[int] = []
    runner.train_loop.first_batch = 0
    runner.watch = SimpleNamespace(arm=lambda *_: None, stop=stop, wait_for_the_first=lambda: waited.append(1))
    hook.before_train_epoch(runner)
    signal.raise_signal(signal.SIGINT)
    stop.hold(signal.SIGINT)
    stop.agree([7, 8])  # another is in the next epoch already, and needs this one
    hook.after_train_epoch(runner)
    runner.epoch += 1
    hook.before_train_epoch(runner)
    hook.before_train_iter(runner, batch_idx=0)
    with pytest.raises(KeyboardInterrupt):
        hook.after_train_iter(runner, batch_idx=0)
    assert waited == [1]


def test_what_is_agreed_on_holds_in_a_validation(tmp_path: Path) -> None:
    hook, runner, stop = BestAndLastHook(str(tmp_path)), Runner(), Stop()
    runner.watch = SimpleNamespace(stop=stop, wait_for_the_first=lambda: None)
    hook.before_val_iter(runner, batch_idx=0)
    stop.hold(signal.SIGINT)
    stop.agree([7, 7])
    with pytest.raises(KeyboardInterrupt):
        hook.before_val_iter(runner, batch_idx=1)


def test_between_the_epochs_signals_act_at_once(tmp_path: Path) -> None:
    hook, runner = BestAndLastHook(str(tmp_path)), Runner()
    hook.before_train_epoch(runner)
    hook.after_train_epoch(runner)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_signal_that_was_ignored_stays_so(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        hook = BestAndLastHook(str(tmp_path))
        hook.before_train_epoch(Runner())
        signal.raise_signal(signal.SIGINT)
        assert hook.signals.noted is None
        hook.close()
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_ranks_write_nothing(tmp_path: Path) -> None:
    Runner(rank=1, max_epochs=2).run(BestAndLastHook(str(tmp_path)), [0.1, 0.2])
    assert list(tmp_path.iterdir()) == []


def test_the_best_score_survives_a_resume(tmp_path: Path) -> None:
    first = BestAndLastHook(str(tmp_path))
    runner = Runner(max_epochs=4)
    runner.run(first, [0.3, 0.6])
    resumed, again = BestAndLastHook(str(tmp_path)), Runner(resume=True, max_epochs=4)
    again.epoch = 2
    resumed.after_load_checkpoint(again, load_checkpoint(tmp_path / "last.pth"))
    assert (resumed.best_score, resumed.best_epoch) == (0.6, 2)
    again.run(resumed, [0.5, 0.55])
    assert saved(tmp_path, "best_model.pth")[0] == 2
    assert saved(tmp_path, "last.pth")[0] == 4
    fresh = BestAndLastHook(str(tmp_path))
    fresh.after_load_checkpoint(Runner(resume=False), load_checkpoint(tmp_path / "last.pth"))
    assert fresh.best_epoch == 0


def draws(seed: int, iteration: int, rank: int = 0) -> tuple[float, float, float]:
    runner: Any = SimpleNamespace(iter=iteration, rank=rank)
    IterationSeedHook(seed).before_train_iter(runner, batch_idx=0)
    return float(torch.rand(1)), float(np.random.rand()), random.random()


def test_seeds() -> None:
    assert draws(1, 0) == draws(1, 0)
    each = [draws(1, 0), draws(1, 1), draws(2, 0), draws(1, 0, rank=1), draws(2, 1)]
    for generator in zip(*each, strict=True):
        assert len(set(generator)) == len(each)


TIMES = {
    0.2: "0 s",
    59.4: "59 s",
    59.6: "1 min 00 s",
    185: "3 min 05 s",
    3599.4: "59 min 59 s",
    3599.7: "1 h 00 min",
    7620: "2 h 07 min",
    90000: "25 h 00 min",
}


@pytest.mark.parametrize("seconds", TIMES)
def test_readable_time(seconds: float) -> None:
    assert readable_time(seconds) == TIMES[seconds]


def batch(*num_objects: int) -> dict[str, Any]:
    samples = [SimpleNamespace(gt_instances=[None] * count) for count in num_objects]
    return {"inputs": [torch.zeros(3, 2, 2)] * len(samples), "data_samples": samples}


@pytest.mark.parametrize(
    ("batches", "said"),
    [
        ([batch(0, 0), batch(0)], True),
        ([batch(0, 0), batch(1)], False),
        ([{"inputs": [torch.zeros(3, 2, 2)]}], False),  # a data set of another kind
        ([], False),  # resumed just before the validation
    ],
)
def test_an_epoch_without_any_object_is_said_once(batches: list[dict[str, Any]], said: bool) -> None:
    runner, hook = Runner(max_epochs=3), ProgressHook()
    runner.logger.isEnabledFor = lambda level: False  # type: ignore[attr-defined]
    runner.optim_wrapper.get_lr = lambda: {"lr": [0.1]}
    runner.max_epochs, runner.max_iters = 3, 9  # type: ignore[attr-defined]
    hook.started = hook.spoken = 0.0
    hook.first_iter, hook.interval_s = 0, math.inf
    for _ in range(2):
        hook.before_train_epoch(runner)
        for at, one in enumerate(batches):
            hook.after_train_iter(runner, at, one, {"loss": 1.0})
        hook.after_train_epoch(runner)
    assert sum("no image had an object left when the network saw it" in line for line in runner.lines) == said
