"""Where images come from: order, names, what fails and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from anomdet.errors import UserError
from anomdet.inference.item import Item, UnreadableImageError
from anomdet.inference.lists import lines_of
from anomdet.inference.pixels import to_bgr8
from anomdet.inference.sources import open_sources
from tests.unit.inference.fake_detector import image_bytes


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images in and below ``parts``, with what is none; the current folder."""
    for name in ("b.png", "a/y.jpg", "a/x.png", "c.bmp"):
        path = tmp_path / "parts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image_bytes(0.5, path.suffix))
    (tmp_path / "parts" / "notes.md").write_text("no image")
    (tmp_path / "parts" / ".hidden.png").write_bytes(image_bytes(0.5))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def keys(*sources: object, **options: object) -> list[str]:
    return [item.key for item in open_sources(list(sources), **options)]  # type: ignore[arg-type]


def error_of(item: Item) -> str:
    with pytest.raises(UnreadableImageError) as failed:
        item.read(None)
    return str(failed.value)


def test_a_folder_in_a_fixed_order(here: Path) -> None:
    sources = open_sources("parts")
    found = list(sources)
    assert [item.key for item in found] == ["b.png", "c.bmp", "a/x.png", "a/y.jpg"]
    assert [item.name for item in found][2] == str(Path("parts") / "a" / "x.png")
    assert found[0].read(None).shape == (16, 16, 3)
    assert sources.count() == 4
    assert sources.left_out == {".md": 1}


def test_a_list_that_names_a_file_twice(here: Path) -> None:
    """Judged twice, it would count twice, and stand in coco.json as two images."""
    (here / "list.txt").write_text("parts/b.png\nparts/c.bmp\n./parts/b.png\nparts/b.png\ngone.png\n")
    assert keys("list.txt") == ["parts/b.png", "parts/c.bmp", "gone.png"]


def test_links_are_followed_and_never_in_a_circle(here: Path) -> None:
    (here / "parts" / "a" / "loop").symlink_to(here / "parts")
    (here / "parts" / "z.png").symlink_to(here / "parts" / "b.png")
    assert keys("parts") == ["b.png", "c.bmp", "z.png", "a/x.png", "a/y.jpg"]


def test_folders_of_the_system_are_left_out(here: Path) -> None:
    for name in ("@eaDir/b.png/SYNOFILE_THUMB_M.png", "a/#recycle/old.png"):
        (here / "parts" / name).parent.mkdir(parents=True)
        (here / "parts" / name).write_bytes(image_bytes(0.5))
    assert keys("parts") == ["b.png", "c.bmp", "a/x.png", "a/y.jpg"]


def test_outputs_are_called_after_the_common_folder(here: Path) -> None:
    assert keys("parts/b.png") == ["b.png"]
    assert keys("parts/a", "parts/b.png") == ["a/x.png", "a/y.jpg", "b.png"]
    assert keys("parts/a/*.png", "parts/*.png") == ["a/x.png", "b.png"]
    assert keys("parts/**/*.png") == ["a/x.png", "b.png"]


def test_an_image_that_two_sources_name_is_judged_once(here: Path) -> None:
    assert keys("parts/a/x.png", "parts", "./parts/a/../b.png") == ["a/x.png", "b.png", "c.bmp", "a/y.jpg"]


def test_two_arrays_are_two_images() -> None:
    black = np.zeros((4, 4, 3), np.uint8)
    items = list(open_sources([black, black]))
    assert [(item.name, item.key, item.channels) for item in items] == [
        (None, "array_000000", "rgb"),
        (None, "array_000001", "rgb"),
    ]
    assert [item.channels for item in open_sources(black, channels="bgr")] == ["bgr"]
    assert items[0].read(None) is black


def test_a_generator_is_asked_as_images_are_needed() -> None:
    asked = []

    def generated():
        for number in range(3):
            asked.append(number)
            yield np.full((4, 4, 3), number, np.uint8)

    items = iter(open_sources(generated()))
    next(items)
    assert asked == [0]


def test_a_generator_may_use_its_memory_again(tmp_path: Path) -> None:
    """As cameras do (harvesters 450, pylablib 60): the images before had the pixels of later ones."""
    frame = np.empty((4, 4, 3), np.uint8)

    def grabbed():
        for number in range(3):
            frame[...] = number
            yield frame

    items = list(open_sources(grabbed()))
    assert [int(item.read(None).max()) for item in items] == [0, 1, 2]

    PIL.Image.fromarray(frame).save(tmp_path / "x.png")

    def opened():
        with PIL.Image.open(tmp_path / "x.png") as image:
            yield image

    (item,) = open_sources(opened())
    assert to_bgr8(item.read(None))[0].max() == 2


def test_a_text_list(here: Path) -> None:
    (here / "parts" / "list.txt").write_bytes(
        "\ufeffparts/b.png\r\n\n  \na/x.png\ngone.png\nrtsp://x/y.png\nno.md\n".encode()
    )
    items = list(open_sources("parts/list.txt"))
    assert [item.key for item in items[:2]] == ["parts/b.png", "parts/a/x.png"]  # beside the list, where not here
    assert [error_of(item) for item in items[2:]] == [
        "No such file or directory",
        "no name of an image file",
        "no name of an image file",
    ]


def test_a_table_of_names(here: Path) -> None:
    (here / "list.csv").write_text('id,Path\n1,"parts/b.png"\n2\n3,parts/c.bmp\n')
    items = list(open_sources("list.csv"))
    assert [item.key for item in items] == ["parts/b.png", "list.csv_3", "parts/c.bmp"]
    assert error_of(items[1]) == "line 3 of list.csv has no name of an image"
    (here / "plain.csv").write_text("parts/b.png,1\nparts/c.bmp,2\n")
    assert keys("plain.csv") == ["parts/b.png", "parts/c.bmp"]
    for delimiter in (";", "\t"):  # as spreadsheets save it where the comma is in the numbers
        rows = (("Score", "Path"), ("0,5", "parts/b.png"), ("0,25", '"parts/c.bmp"'))
        (here / "other.csv").write_text("\ufeff" + "\n".join(delimiter.join(row) for row in rows), encoding="utf-8")
        assert keys("other.csv") == ["parts/b.png", "parts/c.bmp"]


def test_names_on_a_stream(here: Path) -> None:
    sources = open_sources("-", stdin=iter(["parts/b.png\n", "\n", "gone.png\n", "x\0y.png"]))
    assert (sources.live, sources.count()) == (True, None)
    items = list(sources)
    assert [item.name for item in items] == ["parts/b.png", "gone.png", "x\0y.png"]
    assert error_of(items[2]) == "embedded null byte"


def test_lines_of_a_pipe_come_as_they_are_written() -> None:
    read_end, write_end = os.pipe()
    os.write(write_end, b"a.png\nb\xff.p")
    lines = lines_of(read_end)
    assert next(lines) == "a.png"
    os.write(write_end, b"ng\nlast")
    os.close(write_end)
    assert [os.fsencode(line) for line in lines] == [b"b\xff.png", b"last"]
    os.close(read_end)


def test_what_is_no_regular_file_is_never_opened(here: Path) -> None:
    os.mkfifo(here / "parts" / "pipe.png")  # to open it would never end
    items = {item.key: item for item in open_sources("parts")}
    assert error_of(items["pipe.png"]) == "a named pipe, where a regular file is expected"
    with pytest.raises(UserError, match=r"expected a regular file or a folder, got 'parts/pipe.png', a named pipe"):
        open_sources("parts/pipe.png")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read any folder")
def test_a_folder_that_cannot_be_read_stands_among_the_results(here: Path) -> None:
    (here / "parts" / "a").chmod(0)
    try:
        items = list(open_sources("parts"))
        assert [error_of(item) for item in items[2:]] == ["a folder that cannot be read (Permission denied)"]
    finally:
        (here / "parts" / "a").chmod(0o755)


def test_all_problems_at_once(here: Path) -> None:
    (here / "empty").mkdir()
    (here / "empty.txt").write_text("")
    (here / "lost.txt").write_text("gone.png\n")
    (here / "bad.csv").write_text("id,size\n1,2\n")
    (here / "wide.txt").write_bytes("a.png".encode("utf-16"))
    (here / "dangling.png").symlink_to("gone.png")
    given = ["empty", "parts/d.png", "x*", "ftp://a/b", "parts/notes.md", "dangling.png", "-", 3]
    given += ["empty.txt", "lost.txt", "bad.csv", "wide.txt"]
    with pytest.raises(UserError) as refused:
        open_sources(given)
    assert len(refused.value.problems) == len(given)
    text = str(refused.value)
    assert "did you mean 'parts/b.png'?" in text
    assert "lost.txt: expected names relative to the current folder" in text
    assert "bad.csv:1: expected a first line with a column image" in text
    with pytest.raises(UserError, match="at least one image"):
        open_sources([])


@pytest.mark.parametrize(("every", "text"), [(0, "an integer >= 1, got 0"), (2, "a video or a camera among")])
def test_every_is_for_videos(here: Path, every: int, text: str) -> None:
    with pytest.raises(UserError, match=text):
        open_sources("parts", every=every)


@pytest.mark.parametrize("name", ["part_7.png", "part_7.JPG?token=1", "line.mp4"])
def test_the_address_of_one_file_is_no_camera(name: str) -> None:
    """It was judged again and again, without end: each image once in half a second, as a camera that is lost."""
    with pytest.raises(UserError, match=r"a file on this machine, or the stream of a camera, .* download it first"):
        open_sources(f"https://me:secret@127.0.0.1:9/a/{name}")


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(UserError, match="an address that begins with camera:0, rtsp://"):
        open_sources("http://[10.0.0.7/live")


@pytest.mark.parametrize("name", ["0", "/dev/video7"])
def test_a_camera_by_the_name_that_other_tools_give_it(name):
    with pytest.raises(UserError, match=f"a camera of this machine is camera:{name[-1]}"):
        open_sources(name)
