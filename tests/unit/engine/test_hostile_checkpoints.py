"""A checkpoint from a stranger: nothing in it runs, nothing of it is taken on trust."""

from __future__ import annotations

import io
import pickle
import struct
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader, get_torch_safe_globals

from anomdet.engine.checkpoint import load_checkpoint, load_weights, read_checkpoint, save_atomically
from anomdet.engine.plain_state import history_from_plain, only_plain, to_plain
from anomdet.engine.weights import use_safe_loading
from anomdet.errors import UserError
from tests.unit.engine import hostile


def test_getattr_is_nobodys(tmp_path: Path) -> None:
    trace = tmp_path / "executed"
    path = hostile.write_archive(tmp_path / "bad.pth", hostile.reach_exec(trace))
    with pytest.raises(UserError, match=r"bad\.pth"):
        load_checkpoint(path)
    with pytest.raises(UserError, match=r"bad\.pth"):
        read_checkpoint(path)
    use_safe_loading()
    with pytest.raises(UserError, match=r"bad\.pth"):
        CheckpointLoader.load_checkpoint(str(path))
    assert not trace.exists()
    # The attack itself is real: with MMEngine's list of safe names it runs.
    with torch.serialization.safe_globals(get_torch_safe_globals()):
        torch.load(path, weights_only=True)
    assert trace.exists()


@pytest.mark.parametrize(
    "names", [("os", "system"), ("builtins", "eval"), ("__builtin__", "exec"), ("operator", "add")]
)
def test_any_other_name_is_named(tmp_path: Path, names: tuple[str, str]) -> None:
    pickled = b"\x80\x02" + hostile.call(hostile.name(*names), hostile.text("1")) + b"."
    with pytest.raises(UserError, match=f"the Python object .*{names[1]}"):
        load_checkpoint(hostile.write_archive(tmp_path / "bad.pth", pickled))


@pytest.mark.parametrize("is_archive", [True, False])
def test_a_name_that_takes_torch_minutes(tmp_path: Path, is_archive: bool) -> None:
    """It searches its own message by patterns that take the square of the length: a million characters, an hour."""
    pickled = b"\x80\x02" + hostile.name("collections", "x" * 1_000_000) + b"."
    path = tmp_path / "bad.pth"
    if is_archive:
        hostile.write_archive(path, pickled)
    else:
        path.write_bytes(pickled)
    started = time.process_time()
    with pytest.raises(UserError, match="a Python object whose name has 1000012 characters"):
        load_checkpoint(path)
    assert time.process_time() - started < 2


def test_a_pickle_of_many_megabytes_is_no_checkpoint(tmp_path: Path) -> None:
    path = hostile.write_archive(tmp_path / "bad.pth", b"\x80\x02" + b"]0" * 2**23 + b"].")
    with pytest.raises(UserError, match="a record of 16 MB beside the weights"):
        load_checkpoint(path)


def test_older_files_are_read_though_their_weights_are_one_long_line(tmp_path: Path) -> None:
    torch.save({"state_dict": {"a": torch.ones(50_000)}}, tmp_path / "a.pth", _use_new_zipfile_serialization=False)
    assert torch.equal(load_checkpoint(tmp_path / "a.pth")["state_dict"]["a"], torch.ones(50_000))


def test_a_function_is_no_value(tmp_path: Path) -> None:
    """A name that torch knows may stand as a value, too: it would be called in the place of a method."""
    pickled = (
        b"\x80\x02" + b"}" + hostile.text("state_dict") + hostile.name("torch._utils", "_rebuild_tensor_v2") + b"s."
    )
    with pytest.raises(UserError, match="a file of another kind or a damaged one"):
        load_checkpoint(hostile.write_archive(tmp_path / "bad.pth", pickled))


def saved(path: Path, **content: Any) -> Path:
    save_atomically({"state_dict": {"a": torch.arange(5000.0)}, **content}, path)
    return path


def test_compressed_records(tmp_path: Path) -> None:
    path = saved(tmp_path / "zeros.pth", more=torch.zeros(2_000_000))
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as new:
        for record in old.infolist():
            new.writestr(record.filename, old.read(record))
    assert (tmp_path / "bomb.pth").stat().st_size < 100_000
    with pytest.raises(UserError, match="got compressed records"):
        load_checkpoint(tmp_path / "bomb.pth")


def test_every_flipped_bit_of_a_weight_is_noticed(tmp_path: Path) -> None:
    whole = saved(tmp_path / "whole.pth").read_bytes()
    begin = whole.index(torch.arange(5000.0).numpy().tobytes())
    for at in (begin, begin + 9_999, begin + 19_999):
        damaged = bytearray(whole)
        damaged[at] ^= 0x10
        (tmp_path / "flipped.pth").write_bytes(damaged)
        with pytest.raises(UserError, match=r"checksum of record '.*data/0' is another"):
            load_checkpoint(tmp_path / "flipped.pth")


def test_sizes_that_the_file_does_not_have(tmp_path: Path) -> None:
    whole = bytearray(saved(tmp_path / "whole.pth").read_bytes())
    directory = whole.rindex(b"PK\x01\x02")
    for field, value in ((20, 2**31), (42, 2**31), (24, 1)):  # compressed size, offset, size
        changed = bytearray(whole)
        struct.pack_into("<I", changed, directory + field, value)
        (tmp_path / "sizes.pth").write_bytes(changed)
        with pytest.raises(UserError, match=r"sizes\.pth: expected a checkpoint written by torch\.save, got"):
            load_checkpoint(tmp_path / "sizes.pth")


def test_a_record_twice_and_something_behind_the_end(tmp_path: Path) -> None:
    path = saved(tmp_path / "whole.pth")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(archive.namelist()[0], b"another pickle")
    with pytest.raises(UserError, match="a record twice"):
        load_checkpoint(path)
    path = saved(tmp_path / "whole.pth")
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(UserError, match="something behind its end"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({"epoch": "3"}, r"x\.pth: meta\.epoch: expected an integer >= 0, got '3'"),
        ({"epoch": -1}, r"meta\.epoch: expected an integer >= 0, got -1"),
        ({"iter": 1.5}, r"meta\.iter"),
        ({"world_size": 0}, r"meta\.world_size: expected an integer >= 1"),
        (
            {"dataset_meta": {"class_nums": [1, 2], "classes": ["a"]}},
            r"dataset_meta\.classes: expected one name for each",
        ),
        ({"dataset_meta": {"class_nums": ["a"], "classes": ["a"]}}, r"class_nums: expected a list of integers"),
        ({"dataset_meta": []}, r"dataset_meta: expected a mapping, got \[\]"),
        ({"split_hashes": {"train": 3}}, r"split_hashes: expected a mapping of text to text"),
        ({"best": {"score": "high", "epoch": 1, "monitor": "mAP"}}, r"best\.score: expected a number, got 'high'"),
        ({"best": {"score": 0.5}}, r"meta\.best\.epoch: expected a value, got none"),
        ({"operating_point": {"point": torch.ones(1)}}, r"meta\.operating_point\.point: expected text, numbers"),
        ({"cfg": torch.ones(1)}, r"meta\.cfg: expected text, got a Tensor"),
    ],
)
def test_meta_is_checked(tmp_path: Path, meta: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_checkpoint(saved(tmp_path / "x.pth", meta=meta))


def test_meta_of_others_is_ignored(tmp_path: Path) -> None:
    """MMEngine's, and none at all."""
    meta = {
        "epoch": 12,
        "iter": 900,
        "time": "now",
        "env_info": None,
        "dataset_meta": {"classes": ("a",), "palette": 1},
    }
    assert read_checkpoint(saved(tmp_path / "x.pth", meta=meta)).meta.epoch == 12
    assert read_checkpoint(saved(tmp_path / "y.pth")).meta.dataset_meta.names == {}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(value: float) -> None:
    model, weights = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2).state_dict()
    weights["weight"][1, 1] = value
    with pytest.raises(UserError, match=r"expected finite weights, got 1 weights that are not finite, 'weight' first"):
        load_weights(model, weights, "x.pth", strict=True)
    assert torch.isfinite(model.weight).all()


def test_large_weights_are_finite() -> None:
    """Their sum is not."""
    model, weights = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2).state_dict()
    weights["weight"].fill_(3e38)
    load_weights(model, weights, "x.pth", strict=True)


def test_a_mask_of_minus_infinity_is_the_models_own() -> None:
    model = torch.nn.Linear(2, 2)
    model.register_buffer("mask", torch.full((2,), float("-inf")))
    load_weights(model, model.state_dict(), "x.pth", strict=True)


@pytest.mark.parametrize(
    "odd",
    [torch.ones(2, 2).to_sparse(), torch.ones(2, 2, device="meta"), torch.ones(2, 2, dtype=torch.complex64)],
    ids=["sparse", "meta", "complex"],
)
def test_weights_of_an_odd_kind(odd: torch.Tensor) -> None:
    weights = {**torch.nn.Linear(2, 2).state_dict(), "weight": odd}
    with pytest.raises(UserError, match="1 of 2 weights that fit"):
        load_weights(torch.nn.Linear(2, 2), weights, "x.pth", strict=True)


def older_file(path: Path, **changes: Any) -> Path:
    """As before everything was plain: MMEngine's own classes, saved as they are."""
    history = HistoryBuffer([0.5, 0.25], [1, 1])
    vars(history).update(changes)
    hub = {"log_scalars": {"train/loss": history}, "runtime_info": {"eta": np.float64(2.5)}, "resumed_keys": {}}
    torch.save({"meta": {"epoch": 1, "score": np.float32(0.5), "n": np.int64(-7)}, "message_hub": hub}, path)
    return path


def test_an_older_checkpoint(tmp_path: Path) -> None:
    found = load_checkpoint(older_file(tmp_path / "old.pth"))
    assert found["meta"] == {"epoch": 1, "score": 0.5, "n": -7}
    hub = history_from_plain(found["message_hub"], "old.pth")
    log, count = hub["log_scalars"]["train/loss"].data
    assert (log.tolist(), count.tolist()) == ([0.5, 0.25], [1, 1])
    assert hub["runtime_info"] == {"eta": 2.5}


@pytest.mark.parametrize(
    "changes",
    [
        {"_log_history": [1]},
        {"_log_history": np.array(["text"])},
        {"_log_history": np.array([None], dtype=object)},
        {"max_length": "long"},
        {"_count_history": np.array([{"a": 1}])},
    ],
)
def test_an_older_checkpoint_with_other_content(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"old\.pth"):
        load_checkpoint(older_file(tmp_path / "old.pth", **changes))


def test_the_state_of_a_training_is_plain(tmp_path: Path) -> None:
    history = HistoryBuffer([0.1, 0.7], [1, 2])
    left_out: list[str] = []
    state = {
        "hub": {
            "log_scalars": {"loss": history},
            "runtime_info": {"eta": np.float64(1 / 3)},
            "resumed_keys": {"a": True},
        },
        "array": np.arange(3, dtype=np.int16),
        "cfg": "load_from = 'https://me:pw@host/x.pth?token=abc'",
        "object": Path("x"),
        ("a", 1): (1, [None]),
    }
    plain = to_plain(state, "", left_out)
    assert left_out == [".object (PosixPath)"]
    save_atomically(plain, tmp_path / "x.pth")
    assert torch.serialization.get_unsafe_globals_in_checkpoint(tmp_path / "x.pth") == []
    assert b"abc" not in (tmp_path / "x.pth").read_bytes()
    found = load_checkpoint(tmp_path / "x.pth")
    again = history_from_plain(found["hub"], "x.pth")["log_scalars"]["loss"]
    assert all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(again.data, history.data, strict=True))
    assert found["hub"]["runtime_info"]["eta"] == 1 / 3
    assert found["array"].tolist() == [0, 1, 2]
    assert found["a", 1] == (1, [None])


@pytest.mark.parametrize("hub", [{}, {"log_scalars": 3}, {"log_scalars": {"a": {"log_history": torch.ones(2, 2)}}}])
def test_another_history(hub: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"x\.pth: message_hub: expected the history of a run"):
        history_from_plain(hub, "x.pth")


def test_a_bottomless_file(tmp_path: Path) -> None:
    pickled = b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b"."
    with pytest.raises(UserError, match="damaged"):
        load_checkpoint(hostile.write_archive(tmp_path / "deep.pth", pickled))


def test_derived_classes_become_plain() -> None:
    from collections import Counter, OrderedDict

    odd = OrderedDict(a=1)
    odd.__dict__["items"] = "not a method"
    found = only_plain({"x": odd, "y": Counter(b=2)})
    assert found == {"x": {"a": 1}, "y": {"b": 2}}
    assert {type(found["x"]), type(found["y"])} == {dict}


def test_safetensors(tmp_path: Path) -> None:
    from safetensors.torch import save

    whole = save({"a": torch.ones(3)})
    (tmp_path / "x.safetensors").write_bytes(whole)
    assert load_checkpoint(tmp_path / "x.safetensors")["state_dict"]["a"].tolist() == [1, 1, 1]
    (tmp_path / "cut.safetensors").write_bytes(whole[:-4])
    with pytest.raises(UserError, match=r"cut\.safetensors"):
        load_checkpoint(tmp_path / "cut.safetensors")


def test_a_legacy_file_of_torch(tmp_path: Path) -> None:
    """From before version 1.6, as many published weights are: no archive."""
    buffer = io.BytesIO()
    torch.save({"a": torch.ones(3)}, buffer, _use_new_zipfile_serialization=False)
    (tmp_path / "legacy.pth").write_bytes(buffer.getvalue())
    assert load_checkpoint(tmp_path / "legacy.pth")["a"].tolist() == [1, 1, 1]


@pytest.mark.parametrize("where", ["meta", "optimizer"])
def test_lists_within_lists_that_unfold_without_end(tmp_path: Path, where: str) -> None:
    """Ten references to one list, on twelve levels: 300 bytes that were copied until the memory was full."""
    nested: list[Any] = [1]
    for _ in range(12):
        nested = [nested] * 10
    path = tmp_path / "bad.pth"
    torch.save({"state_dict": {}, where: {"x": nested}}, path)
    with pytest.raises(UserError, match="containers that unfold to more than 1,048,576 values"):
        load_checkpoint(path)


def test_a_container_that_holds_itself(tmp_path: Path) -> None:
    endless: list[Any] = []
    endless.append(endless)
    torch.save({"x": endless}, tmp_path / "bad.pth")
    with pytest.raises(UserError, match="containers that unfold"):
        load_checkpoint(tmp_path / "bad.pth")


def test_a_tensor_of_one_number_repeated(tmp_path: Path) -> None:
    torch.save({"state_dict": {"a": torch.zeros(1).expand(10**6, 10**6)}}, tmp_path / "bad.pth")
    with pytest.raises(UserError, match="tensors that repeat a few numbers over more than 64 MB"):
        load_checkpoint(tmp_path / "bad.pth")
    torch.save({"state_dict": {"a": torch.ones(1).expand(100, 100)}}, tmp_path / "good.pth")
    assert load_checkpoint(tmp_path / "good.pth")["state_dict"]["a"].sum() == 10_000


def test_an_older_file_whose_arrays_share_their_bytes(tmp_path: Path) -> None:
    """A megabyte of numbers, a thousand times: the file is a megabyte, the arrays were a gigabyte."""
    encode = hostile.name("_codecs", "encode")
    data = hostile.call(encode, hostile.text("\0" * 2**20), hostile.text("latin1")) + pickle.BINPUT + b"\1"
    dtype = hostile.call(hostile.name("numpy", "dtype"), hostile.text("u1"), pickle.NEWFALSE, pickle.NEWTRUE)

    def array(content: bytes) -> bytes:
        rebuild = hostile.name("numpy.core.multiarray", "_reconstruct")
        empty = hostile.call(rebuild, hostile.name("numpy", "ndarray"), pickle.EMPTY_TUPLE, hostile.text("b"))
        shape = pickle.BININT + struct.pack("<i", 2**20) + pickle.TUPLE1
        return empty + pickle.MARK + pickle.BININT1 + b"\1" + shape + dtype + pickle.NEWFALSE + content + b"tb"

    def written(count: int) -> Path:
        arrays = b"".join(array(data if not at else pickle.BINGET + b"\1") + pickle.APPEND for at in range(count))
        whole = hostile.text("x") + pickle.EMPTY_LIST + arrays + pickle.SETITEM + pickle.STOP
        return hostile.write_archive(tmp_path / "older.pth", b"\x80\x02" + pickle.EMPTY_DICT + whole)

    assert load_checkpoint(written(1))["x"][0].shape == (2**20,)
    with pytest.raises(UserError, match=r"older\.pth"):
        load_checkpoint(written(1000))
