"""Checkpoints appear whole or not at all, never run code, and say what is wrong with them."""

from __future__ import annotations

import errno
import os
import pickle
import re
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from anomdet.engine.checkpoint import load_checkpoint, load_weights, save_atomically
from anomdet.engine.run_state import Progress, collect_checkpoint
from anomdet.engine.weights import use_safe_loading
from anomdet.errors import UserError


class Unwilling:
    """Cannot be pickled: a write that fails midway."""

    def __reduce__(self) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")


class Runs:
    """Leaves a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_saved_and_loaded(tmp_path: Path) -> None:
    path = tmp_path / "new" / "last.pth"
    save_atomically({"state_dict": {"a": torch.ones(2)}, "meta": {"epoch": 3}}, path)
    found = load_checkpoint(path)
    assert found["meta"] == {"epoch": 3}
    assert torch.equal(found["state_dict"]["a"], torch.ones(2))
    assert [entry.name for entry in path.parent.iterdir()] == ["last.pth"]


def test_a_failing_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "last.pth"
    save_atomically({"epoch": 1}, path)
    before = path.read_bytes()
    with pytest.raises(UserError, match=r"No space left on device.*an earlier file is untouched"):
        save_atomically({"weights": torch.zeros(1000), "broken": Unwilling()}, path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.pth"]


def test_a_kill_during_the_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.pth"
    save_atomically({"epoch": 1}, path)

    def interrupted(_: Any, file: Any) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_atomically({"epoch": 2}, path)
    assert load_checkpoint(path) == {"epoch": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.pth"]


def test_a_malicious_checkpoint_runs_nothing(tmp_path: Path) -> None:
    path, trace = tmp_path / "bad.pth", tmp_path / "trace"
    torch.save({"state_dict": {}, "meta": Runs(trace)}, path)
    with pytest.raises(UserError, match=r"bad\.pth: expected weights only, got the Python object posix\.mkdir"):
        load_checkpoint(path)
    use_safe_loading()
    with pytest.raises(UserError):
        CheckpointLoader.load_checkpoint(str(path))
    assert not trace.exists()
    # The attack itself is real: plain unpickling runs it.
    torch.load(path, weights_only=False)
    assert trace.exists()


def test_a_malicious_plain_pickle_runs_nothing(tmp_path: Path) -> None:
    path, trace = tmp_path / "bad.pth", tmp_path / "trace"
    path.write_bytes(pickle.dumps(Runs(trace)))
    with pytest.raises(UserError, match=r"bad\.pth"):
        load_checkpoint(path)
    assert not trace.exists()


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9, 0.99])
def test_a_truncated_file(tmp_path: Path, share: float) -> None:
    path = tmp_path / "last.pth"
    save_atomically({"state_dict": {"a": torch.arange(5000.0)}}, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(UserError, match=r"last\.pth: expected a checkpoint written by torch\.save"):
        load_checkpoint(path)


@pytest.mark.parametrize("content", [b"hello", b"<html>404</html>", b"\x00" * 64, b"PK\x03\x04nothing", b"\x80\x04."])
def test_a_file_of_another_kind(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "page.pth"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"page\.pth: expected a checkpoint written by torch\.save"):
        load_checkpoint(path)


def test_a_pickle_that_ends_within_a_number_of_a_sound_archive(tmp_path: Path) -> None:
    sound, cut = tmp_path / "sound.pth", tmp_path / "cut.pth"
    torch.save({"epoch": 3}, sound)
    with zipfile.ZipFile(sound) as old, zipfile.ZipFile(cut, "w") as new:
        for record in old.infolist():
            is_pickle = record.filename.endswith("data.pkl")
            new.writestr(record.filename, b"\x80\x02}X\x05\x00" if is_pickle else old.read(record))
    with pytest.raises(UserError, match=r"cut\.pth: expected a checkpoint"):
        load_checkpoint(cut)


def test_no_dict_and_no_file(tmp_path: Path) -> None:
    torch.save([torch.ones(1)], tmp_path / "list.pth")
    with pytest.raises(UserError, match="expected a dict of weights, got list"):
        load_checkpoint(tmp_path / "list.pth")
    with pytest.raises(UserError, match="nothing there"):
        load_checkpoint(tmp_path / "none.pth")
    with pytest.raises(UserError, match=f"a path starts from the folder {re.escape(str(Path.cwd()))}"):
        load_checkpoint("checkpoints/none.pth")  # of a run that was moved: it is looked for in today's folder
    with pytest.raises(UserError, match="got a folder"):
        load_checkpoint(tmp_path)


def test_a_checkpoint_of_mmengine(tmp_path: Path) -> None:
    """Its history and numpy numbers are known to be harmless."""
    path = tmp_path / "epoch_1.pth"
    history = HistoryBuffer([0.5, 0.25], [1, 1])
    hub = dict(log_scalars={"train/loss": history}, runtime_info={"iter": 3}, resumed_keys={})
    torch.save(
        dict(state_dict={"a": torch.ones(1)}, meta={"time": "now", "mAP": np.float64(0.5)}, message_hub=hub), path
    )
    found = load_checkpoint(path)
    assert found["message_hub"]["log_scalars"]["train/loss"]["log_history"].tolist() == [0.5, 0.25]
    assert found["meta"]["mAP"] == 0.5


def network(classes: int = 3) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, classes, 1))


def test_load_weights_strict() -> None:
    source, model = network(), network()
    loaded = load_weights(model, {"state_dict": source.state_dict()}, "best.pth", strict=True)
    assert loaded.line == "9 of 9 weights from best.pth"
    assert all(
        torch.equal(a, b) for a, b in zip(source.state_dict().values(), model.state_dict().values(), strict=True)
    )


def test_load_weights_plain_and_wrapped() -> None:
    source, model = network(), network()
    weights = {f"module.{key}": value for key, value in source.state_dict().items()}
    load_weights(model, weights, "best.pth", strict=True)
    assert torch.equal(model[0].weight, source[0].weight)


@pytest.mark.parametrize("prefix", ["", "module.", "module.module.", "_orig_mod.", "model.", "model._orig_mod.module."])
@pytest.mark.parametrize("holder", ["state_dict", "model_state_dict", "model", ""])
def test_load_weights_by_the_names_of_other_tools(prefix: str, holder: str) -> None:
    source, model = network(), network()
    weights: dict[str, Any] = {f"{prefix}{key}": value for key, value in source.state_dict().items()}
    loaded = load_weights(model, {holder: weights, "epoch": 3} if holder else weights, "a.pth", strict=not holder)
    assert loaded == ("9 of 9 weights from a.pth", True)
    assert torch.equal(model[0].weight, source[0].weight)


def test_few_weights_that_fit_are_told_apart() -> None:
    source, model = network(), network()
    few = {key: value for key, value in source.state_dict().items() if key.startswith("0.")}
    line, are_most = load_weights(model, few, "a.pth", strict=False)
    assert line.startswith("only 2 of 9 weights from a.pth; newly begun: 1.weight") and not are_most


def test_load_weights_strict_names_what_does_not_fit() -> None:
    model = network(classes=5)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(UserError) as caught:
        load_weights(model, network().state_dict(), "best.pth", strict=True)
    for text in (
        "best.pth",
        "the weights of this model",
        "7 of 9",
        "'2.weight'",
        "the config that it was trained with",
    ):
        assert text in str(caught.value)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items()), "nothing was loaded"
    more = {**network(classes=5).state_dict(), "extra.weight": torch.ones(1)}
    with pytest.raises(UserError, match=r"'extra\.weight'"):
        load_weights(model, more, "best.pth", strict=True)


def test_integers_in_place_of_weights_do_not_fit() -> None:
    """Most of them are 0: such a network finds nothing, and every part would pass."""
    weights = {key: value.to(torch.int8) for key, value in network().state_dict().items()}
    with pytest.raises(UserError, match=r"expected the weights of this model, got 1 of 9 weights that fit"):
        load_weights(network(), weights, "best.pth", strict=True)


def test_load_weights_loosely_takes_what_fits() -> None:
    source, model = network(), network(classes=5)
    head = model[2].weight.clone()
    loaded = load_weights(model, {"state_dict": source.state_dict()}, "coco.pth", strict=False)
    assert loaded.line == "7 of 9 weights from coco.pth; newly begun: 2.weight, 2.bias"
    assert torch.equal(model[0].weight, source[0].weight)
    assert torch.equal(model[2].weight, head)


def test_weights_of_another_network_are_refused_even_loosely() -> None:
    with pytest.raises(UserError, match="0 of 9 weights that fit"):
        load_weights(network(), {"state_dict": {"other.weight": torch.ones(1)}}, "other.pth", strict=False)
    with pytest.raises(UserError, match="0 of 9"):
        load_weights(network(), {"state_dict": {"0.weight": "text"}}, "other.pth", strict=False)


def fake_runner() -> Any:
    calls: list[str] = []
    model = network()
    state = SimpleNamespace(state_dict=lambda: {"kept": 1})
    return SimpleNamespace(
        model=model,
        iter=12,
        seed=7,
        world_size=2,
        cfg=SimpleNamespace(pretty_text="a = 1\n"),
        train_loop=SimpleNamespace(first_batch=2, first_draw=10),
        train_dataloader=SimpleNamespace(
            batch_size=4, dataset=SimpleNamespace(metainfo={"classes": ("a",), "class_nums": (4,)})
        ),
        message_hub=state,
        optim_wrapper=state,
        param_schedulers=[state],
        call_hook=lambda name, **_: calls.append(name),
        calls=calls,
    )


def test_collect_checkpoint(tmp_path: Path) -> None:
    runner = fake_runner()
    best = {"score": 0.5, "epoch": 2, "monitor": "mAP"}
    full = collect_checkpoint(runner, progress=Progress(epoch=3, batch=5, iter=12), best=best, for_resume=True)
    assert set(full) == {"meta", "state_dict", "optimizer", "param_schedulers", "message_hub"}
    told = {"epoch": 3, "batch": 5, "iter": 12, "seed": 7, "cfg": "a = 1\n", "best": best}
    assert full["meta"] | told | {"world_size": 2, "images_a_step": 8, "draws": 34} == full["meta"]
    assert full["meta"]["dataset_meta"] == {"classes": ("a",), "class_nums": (4,)}
    small = collect_checkpoint(runner, progress=Progress(epoch=3, batch=5, iter=12), best=best, for_resume=False)
    assert set(small) == {"meta", "state_dict"}
    assert runner.calls == ["before_save_checkpoint"] * 2
    save_atomically(full, tmp_path / "last.pth")
    assert load_checkpoint(tmp_path / "last.pth")["meta"]["best"] == best


def test_weights_of_a_bare_backbone() -> None:
    model, backbone = nn.ModuleDict({"backbone": network(), "head": nn.Linear(1, 1)}), network()
    loaded = load_weights(model, backbone.state_dict(), "resnet.pth", strict=False)
    assert loaded.line == "9 of 11 weights from resnet.pth; newly begun: head.weight, head.bias"
    with pytest.raises(UserError, match="0 of 11"):
        load_weights(model, backbone.state_dict(), "resnet.pth", strict=True)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"state_dict": [1, 2]}, "some.pth: state_dict: expected a dict of weights, got list"),
        ({0: torch.ones(1)}, "some.pth: expected the weights of this model, got 0 of 2 weights that fit"),
    ],
)
def test_weights_of_another_tool_that_are_no_dict_of_names(content: dict[Any, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        load_weights(nn.Linear(1, 1), content, "some.pth", strict=False)
