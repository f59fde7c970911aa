"""Outputs lie apart from the data; what is there is overwritten never, and moved only if AnomDet wrote it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from anomdet.errors import UserError
from anomdet.output_rule import check_apart, check_names, check_new_folder, claim, data_folders, make_room
from anomdet.outputs import make_folder

LOG_DIR = "logging.log_dir"


def fill(folder: Path, *names: str) -> None:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text(name, encoding="utf-8")


def seen(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("[!.]*")}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """``data/`` with images/lot/a.png, labels/lot/a.txt and two links to it."""
    for name in ("images/lot/a.png", "labels/lot/a.txt"):
        (tmp_path / "data" / name).parent.mkdir(parents=True)
        (tmp_path / "data" / name).write_text(name)
    (tmp_path / "link").symlink_to(tmp_path / "data" / "images")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "data" / "images" / "linked").symlink_to(tmp_path / "elsewhere")
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("out", "told"),
    [
        ("data/images", "one at or in {here}/data/images"),
        ("data/labels", "one at or in {here}/data/labels"),
        ("data/images/new", "one at or in {here}/data/images"),
        ("data/images/lot/a.png", "one at or in {here}/data/images"),
        ("data/labels/../images/new/deep", "one at or in {here}/data/images"),
        ("link", "one at or in {here}/data/images"),
        ("link/new", "one at or in {here}/data/images"),
        ("elsewhere/new", "one at or in {here}/data/images/linked"),
        ("data", "one around {here}/data/images"),
        (".", "one around {here}/data/images"),
        ("/", "one around {here}/data/images"),
    ],
)
def test_an_output_at_in_or_around_the_data_is_refused(tmp_path: Path, data: Path, out: str, told: str) -> None:
    with pytest.raises(UserError) as raised:
        check_apart(tmp_path / out, data_folders(data, ["lot/a.png", "linked/b.png"]), "--out")
    assert told.format(here=tmp_path) in str(raised.value)
    assert str(raised.value).startswith("--out ")


@pytest.mark.parametrize("out", ["logs", "data/logs", "data/splits.txt", "imagesets", "missing/deep", "elsewhere"])
def test_an_output_beside_the_data_is_not(tmp_path: Path, data: Path, out: str) -> None:
    check_apart(tmp_path / out, data_folders(data), LOG_DIR)


def test_another_case_of_the_letters_is_the_same_folder(tmp_path: Path) -> None:
    """On a disk that does not tell them apart."""
    (tmp_path / "images").mkdir()
    if not (tmp_path / "IMAGES").exists():
        pytest.skip("this disk tells cases apart")
    with pytest.raises(UserError):
        check_apart(tmp_path / "IMAGES" / "new", data_folders(tmp_path), "--out")


def test_what_an_earlier_run_wrote_moves_and_the_rest_stays(tmp_path: Path) -> None:
    names = ("training.log", "evaluation", "missing")
    assert make_room(tmp_path, names, LOG_DIR) is None
    fill(tmp_path, "training.log", "notes.txt")
    fill(tmp_path / "evaluation", "metrics.json")
    target = make_room(tmp_path, names, LOG_DIR)
    assert target is not None
    assert target.parent == tmp_path / "previous"
    assert (target / "training.log").read_text(encoding="utf-8") == "training.log"
    assert (target / "evaluation" / "metrics.json").is_file()
    assert seen(tmp_path) == {"previous", "notes.txt"}


def test_what_nobody_wrote_is_refused_and_nothing_moves(tmp_path: Path) -> None:
    make_room(tmp_path, ["settings.yaml"], LOG_DIR)
    fill(tmp_path, "settings.yaml", "config.py")
    fill(tmp_path / "splits", "train.txt")
    (tmp_path / "evaluation").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError) as raised:
        make_room(tmp_path, ["settings.yaml", "config.py", "splits", "evaluation", "training.log"], LOG_DIR)
    assert [str(problem).partition(", got ")[2].partition(",")[0] for problem in raised.value.problems] == [
        str(tmp_path / name) for name in ("config.py", "splits", "evaluation")
    ]
    assert seen(tmp_path) == {"settings.yaml", "config.py", "splits", "evaluation"}


def test_names_that_only_the_earlier_run_had_move_too(tmp_path: Path) -> None:
    make_room(tmp_path, ["a.jpg", "b.jpg", "log.txt"], "--out")
    fill(tmp_path, "a.jpg", "b.jpg", "mine.jpg", "log.txt")
    target = make_room(tmp_path, ["a.jpg"], "--out", earlier=re.compile(r".*\.jpg"))
    assert target is not None and seen(target) == {"a.jpg", "b.jpg"}
    assert seen(tmp_path) == {"mine.jpg", "log.txt", "previous"}
    with pytest.raises(UserError, match=r"mine\.jpg"):
        make_room(tmp_path, ["mine.jpg"], "--out", earlier=re.compile(r".*\.jpg"))


def test_a_file_may_say_itself_what_it_is(tmp_path: Path) -> None:
    marks = {"r.html": re.compile(rb"\A<!-- ours -->")}
    (tmp_path / "r.html").write_text("<!-- ours --> page")
    target = make_room(tmp_path, ["r.html"], "--report", marks=marks)
    assert target is not None and seen(tmp_path) == {"previous"}
    assert not (tmp_path / ".anomdet.json").exists()
    (tmp_path / "r.html").write_text("mine <!-- ours -->")
    with pytest.raises(UserError, match=r"r\.html"):
        check_names(tmp_path, ["r.html"], "--report", marks=marks)


def test_a_run_that_continues_claims_without_moving(tmp_path: Path) -> None:
    claim(tmp_path, ["training.log"], LOG_DIR)
    fill(tmp_path, "training.log")
    claim(tmp_path, ["training.log"], LOG_DIR)
    assert seen(tmp_path) == {"training.log"}
    fill(tmp_path, "config.py")
    with pytest.raises(UserError, match=r"config\.py"):
        claim(tmp_path, ["config.py"], LOG_DIR)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"written": 3}', '{"written": [1, "../mine", "a/b"]}', "[" * 100_000])
def test_a_manifest_that_is_none_lists_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".anomdet.json").write_text(text)
    fill(tmp_path, "mine")
    assert make_room(tmp_path / "out", ["x"], "--out", earlier=re.compile(".*")) is None
    assert seen(tmp_path) == {"out", "mine"}


def test_runs_within_one_second_keep_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.strftime", lambda _: "20260101_000000")
    targets = []
    make_room(tmp_path, ["last.pth"], "logging.checkpoint_dir")
    for number in range(3):
        (tmp_path / "last.pth").write_text(str(number), encoding="utf-8")
        targets.append(make_room(tmp_path, ["last.pth"], "logging.checkpoint_dir"))
    assert len(set(targets)) == 3
    assert [(target / "last.pth").read_text(encoding="utf-8") for target in targets if target] == ["0", "1", "2"]


def test_a_new_folder_is_empty_or_not_there(tmp_path: Path) -> None:
    check_new_folder(tmp_path, "--out")
    check_new_folder(tmp_path / "new", "--out")
    fill(tmp_path, "file")
    for taken, got in ((tmp_path, "one that holds something"), (tmp_path / "file", "a file")):
        with pytest.raises(UserError, match=f"--out: expected an empty or new folder, got {taken}, {got}"):
            check_new_folder(taken, "--out")


def test_make_folder(tmp_path: Path) -> None:
    assert make_folder(tmp_path / "a" / "b", LOG_DIR).is_dir()
    assert list((tmp_path / "a" / "b").iterdir()) == []
    fill(tmp_path, "file")
    for wrong in ("file", "file/below", "null\0byte"):
        with pytest.raises(UserError, match=r"logging\.log_dir: expected a folder that can be written"):
            make_folder(tmp_path / wrong, LOG_DIR)


@pytest.mark.parametrize("given", ["~/runs", "~", "$HOME/runs", "${HOME}/runs", "~nobody-is-called-so/runs"])
def test_what_only_a_shell_fills_in_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    """A folder called ``~`` was made in its place."""
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.chdir(tmp_path)
    hint = "write it in full" if "nobody" in given else f"write /home/me{'' if given == '~' else '/runs'}"
    for check in (make_folder, check_new_folder, lambda path, option: check_apart(path, [], option)):
        with pytest.raises(UserError) as caught:
            check(Path(given), "--out")
        assert str(caught.value) == f"--out: expected a path without ~ or $NAME at its start, got {given}; {hint}"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / given).mkdir(parents=True)
    assert make_folder(given, "--out").is_dir(), "one that is really called so"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_the_right_to_write(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="can be written"):
        make_folder(tmp_path, "--out")
    tmp_path.chmod(0o700)
