"""Which key an error of the libraries is about; the texts are also in tests/integration/bad_input.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest

from anomdet.models.user_file import load_name
from anomdet.workflows.runs.config_errors import blame, blame_user_file

FOREIGN = {
    "training.hooks": [{"type": "anomdet.TrackerHook"}, {"type": "TrackrHook", "interval": 3}],
    "data.transforms": [{"type": "mmdet.RandomFlip", "prob": 0.5}],
}


class RandomFlip:
    """Stands for mmdet's."""

    def fail(self) -> None:
        raise ValueError("no  luck")


def test_a_name_that_no_registry_knows() -> None:
    error = KeyError("TrackrHook is not in the mmdet::hook registry. Please check whether ...")
    assert str(blame(error, "run.yaml", FOREIGN)) == (
        "run.yaml: training.hooks[1].type: expected a registered hook, got 'TrackrHook'; "
        "did you mean anomdet.TrackerHook?"
    )


def test_a_class_of_a_plug_in_that_is_registered_with_ours_is_named_with_its_scope() -> None:
    """The hint was to register it, which it is."""
    from anomdet.registry import HOOKS

    HOOKS.register_module(name="HeartbeatOfMine", module=RandomFlip)
    try:
        error = KeyError("HeartbeatOfMine is not in the mmdet::hook registry. Please check whether ...")
        said = str(blame(error, "run.yaml", {"training.hooks": [{"type": "HeartbeatOfMine"}]}))
    finally:
        del HOOKS.module_dict["HeartbeatOfMine"]
    assert said.endswith("got 'HeartbeatOfMine'; did you mean anomdet.HeartbeatOfMine?")


def test_an_error_within_a_class_that_was_named() -> None:
    with pytest.raises(ValueError, match="luck") as caught:
        RandomFlip().fail()
    assert str(blame(caught.value, "run.yaml", FOREIGN)) == (
        "run.yaml: data.transforms[0]: expected what MMDetection can build and run, got ValueError: no luck; "
        "--debug shows where it failed"
    )


def test_an_error_that_tells_nothing_names_all_it_may_be_about() -> None:
    said = "expected what MMDetection can build and run, got ValueError: x; --debug shows where it failed"
    assert str(blame(ValueError("x"), "run.yaml", FOREIGN)) == f"run.yaml: training.hooks, data.transforms: {said}"
    assert str(blame(ValueError("x"), "run.py", {"": {"type": "a"}})) == f"run.py: {said}"


def test_an_error_in_the_user_s_own_file_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def forward():\n    return [][0]\n", encoding="utf-8")
    with pytest.raises(IndexError) as caught:
        load_name(file, "forward", "forward()")()
    assert str(blame_user_file(caught.value, {"model.custom_model_file": str(file)})) == (
        f"{file}:2: expected code that trains and predicts, got IndexError: list index out of range; "
        "it is model.custom_model_file; --debug shows where it failed"
    )
    assert blame_user_file(ValueError("x"), {"model.custom_model_file": str(file)}) is None
