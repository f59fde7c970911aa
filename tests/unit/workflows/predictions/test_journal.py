"""The journal: whole lines only, and many files to one, in input order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from anomdet.errors import UserError
from anomdet.workflows.predictions.journal import Journal, Order, finished, merge, own_file, read_lines


def line(key: str, verdict: str = "accept", **more: Any) -> str:
    return json.dumps({"key": key, "verdict": verdict, **more})


def keys(path: Path) -> list[str]:
    return [document["key"] for _, _, document in read_lines(path)]


@pytest.fixture
def as_rank(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Play one process of several."""

    def play(rank: int, world: int) -> None:
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", str(world))

    return play


def test_what_a_kill_left_of_a_line_is_cut_off(tmp_path: Path) -> None:
    journal = Journal(tmp_path, sync=True)
    journal.write([line("a"), line("b")])
    journal.close()
    path = tmp_path / "results.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"key": "c", "verd')
    assert keys(path) == ["a", "b"]
    journal = Journal(tmp_path, sync=False)
    assert path.read_bytes() == whole
    journal.write([line("c")])
    journal.close()
    assert keys(path) == ["a", "b", "c"]


@pytest.mark.parametrize("rest", [b"", b"x" * 200_000])
def test_a_file_without_a_whole_line_begins_anew(tmp_path: Path, rest: bytes) -> None:
    (tmp_path / "results.jsonl").write_bytes(rest)
    Journal(tmp_path, sync=False).close()
    assert (tmp_path / "results.jsonl").read_bytes() == b""


def test_a_long_rest_is_cut_off_to_the_last_whole_line(tmp_path: Path) -> None:
    whole = (line("a") + "\n").encode()
    (tmp_path / "results.jsonl").write_bytes(whole + b"x" * 200_000)
    Journal(tmp_path, sync=False).close()
    assert (tmp_path / "results.jsonl").read_bytes() == whole


def test_failed_images_are_not_finished(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").write_text(line("a") + "\n" + line("b", "failed") + "\n")
    assert [document["key"] for document in finished(tmp_path, with_failed=False)] == ["a"]
    assert [document["key"] for document in finished(tmp_path, with_failed=True)] == ["a", "b"]


@pytest.mark.parametrize("bad", ["no json", "[]", '{"verdict": "accept"}', '{"key": 3}', "[" * 100_000])
def test_a_line_in_the_middle_that_is_none(tmp_path: Path, bad: str) -> None:
    (tmp_path / "results.jsonl").write_text(f"{line('a')}\n{bad}\n{line('b')}\n")
    with pytest.raises(UserError, match=r"results\.jsonl:2: expected a result that AnomDet wrote"):
        keys(tmp_path / "results.jsonl")


def test_each_process_has_its_file(tmp_path: Path, as_rank: Any) -> None:
    assert own_file(tmp_path).name == "results.jsonl"
    as_rank(1, 4)
    assert own_file(tmp_path).name == "results.rank1of4.jsonl"


def test_many_files_become_one_in_input_order(tmp_path: Path, as_rank: Any) -> None:
    """An earlier job of one process, then two; b failed first and was judged later; x is no image any more."""
    (tmp_path / "results.jsonl").write_text(
        "".join(f"{text}\n" for text in (line("x"), line("e"), line("b", "failed")))
    )
    for rank, texts in ((0, [line("c"), line("b", at=2)]), (1, [line("d", "failed"), line("a")])):
        as_rank(rank, 2)
        journal = Journal(tmp_path, sync=False)
        journal.write(texts)
        journal.close()
    with own_file(tmp_path).open("ab") as file:
        file.write(b'{"key": "f", "ver')  # a kill
    order = Order()
    for key in "abcdef":
        order.add(key)
    seen: list[str] = []
    path = merge(tmp_path, order, lambda document: seen.append(document["key"]))
    assert keys(path) == seen == ["a", "b", "c", "d", "e", "x"]
    merged = {document["key"]: document for _, _, document in read_lines(path)}
    assert merged["b"] == {"key": "b", "verdict": "accept", "at": 2}
    assert [found.name for found in tmp_path.iterdir()] == ["results.jsonl"]


def test_a_later_failure_does_not_undo_a_verdict(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").write_text(line("a", "reject") + "\n" + line("a", "failed") + "\n")
    merge(tmp_path, Order(), lambda _document: None)
    assert [document["verdict"] for _, _, document in read_lines(tmp_path / "results.jsonl")] == ["reject"]


def test_nothing_to_merge(tmp_path: Path) -> None:
    assert keys(merge(tmp_path, Order(), lambda _document: None)) == []


def test_an_image_that_changes_while_processes_run_keeps_its_line(tmp_path: Path) -> None:
    """The process that merges saw the file later than the one that judged it."""
    (tmp_path / "results.jsonl").write_text(line("a", stamp=[1, 1]) + "\n" + line("b", stamp=[1, 1]) + "\n")
    (tmp_path / "results.rank0of2.jsonl").write_text(line("a", "reject", stamp=[2, 2]) + "\n")
    (tmp_path / "results.rank1of2.jsonl").write_text(line("b", "failed", stamp=[2, 2]) + "\n")
    order, found = Order(), dict[str, str]()
    for key in "ab":
        order.add(key)
    merge(
        tmp_path,
        order,
        lambda document: found.update({document["key"]: document["verdict"]}),
        {"a": (3, 3), "b": (2, 2)},
    )
    assert found == {"a": "reject", "b": "failed"}
