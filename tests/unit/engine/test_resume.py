"""What a run may continue with: the same classes, by their names too."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
from torch import nn

from anomdet.engine.checkpoint import save_atomically
from anomdet.engine.resume import _other_names, agree_on_resume
from anomdet.errors import UserError


def data(*names: str) -> SimpleNamespace:
    return SimpleNamespace(metainfo={"class_nums": [1, 2], "classes": names})


def test_the_same_names_are_the_same_classes(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "anomdet"):
        assert _other_names({1: "dent", 2: "scratch"}, data("dent", "scratch"), "last.pth") == []
        assert _other_names({}, SimpleNamespace(metainfo={"classes": ("person",)}), "last.pth") == []
    assert not caplog.records


def test_other_names_are_other_classes() -> None:
    (problem,) = _other_names({1: "dent", 2: "scratch"}, data("dent", "stain"), "last.pth")
    assert problem.where == "last.pth" and problem.got == "2: scratch"
    assert "2: stain" in problem.expected and "data.classes as they were (2: scratch)" in problem.hint


@pytest.mark.parametrize(("known", "found"), [(("1", "2"), ("dent", "scratch")), (("dent", "scratch"), ("1", "2"))])
def test_a_number_may_become_a_name_with_a_warning(known, found, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "anomdet"):
        assert _other_names(dict(zip((1, 2), known, strict=True)), data(*found), "last.pth") == []
    assert f"{known[0]} is {found[0]}, {known[1]} is {found[1]}" in caplog.text


def test_a_class_more_or_less_is_named_before_the_weights_that_do_not_fit(tmp_path: Path) -> None:
    meta = {"dataset_meta": {"class_nums": [1, 2, 5], "classes": ["dent", "scratch", "hole"]}}
    rest = {"optimizer": {}, "param_schedulers": [], "message_hub": {}}
    weights = nn.Linear(1, 3).state_dict()
    save_atomically({"meta": meta, "state_dict": weights, **rest}, tmp_path / "last.pth")
    loader = SimpleNamespace(dataset=data("dent", "scratch"))
    runner = SimpleNamespace(model=nn.Linear(1, 2), train_dataloader=loader)
    with pytest.raises(UserError, match=r"expected the classes \[1, 2\] of the data, got \[1, 2, 5\]; train without"):
        agree_on_resume(runner, tmp_path / "last.pth", resume=True)
