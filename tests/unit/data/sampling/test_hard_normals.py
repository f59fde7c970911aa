"""Confirmed hard normals are drawn more often, and only where the list fits the data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anomdet.data.dataset import TextLabelDataset
from anomdet.data.index.scan import DataIndex, scan
from anomdet.data.sampling.hard_normals import read_hard_normals
from anomdet.data.sampling.sampler import BalancedSampler
from anomdet.errors import UserError
from tests.unit.data.sampling.test_sampler import UNEVEN, Counts, on_ranks
from tests.unit.formats.cases import write_image

HARD = [100, 120, 149]  # of UNEVEN's normal images 98 to 149


class Hard(Counts):
    """UNEVEN with three hard normals; the mask of a data set may mark others too, which count for nothing."""

    def __init__(self, hard: list[int]) -> None:
        super().__init__(UNEVEN.image_class_counts)
        self.is_hard_normal = np.isin(np.arange(len(self)), hard)


def build(share: float | None = 0.5, hard: list[int] = HARD, **more) -> BalancedSampler:
    return BalancedSampler(Hard(hard), seed=4, hard_normals=share, **more)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("normal_ratio", [None, 0.2])
def test_hard_normals_have_their_share_of_the_normal_draws(share: float, normal_ratio: float | None) -> None:
    for epoch in range(10):
        sampler = build(share, normal_ratio=normal_ratio)
        sampler.set_epoch(epoch)
        drawn = np.bincount(list(sampler), minlength=150)
        num_normal = 150 * (52 / 150 if normal_ratio is None else normal_ratio)
        assert abs(drawn[98:].sum() - num_normal) <= 1
        assert abs(drawn[HARD].sum() - share * num_normal) <= 1
        assert np.ptp(drawn[HARD]) <= 1, "all hard ones equally often"


def test_images_with_objects_are_drawn_as_without_hard_normals() -> None:
    plain = BalancedSampler(UNEVEN, seed=4)
    np.testing.assert_allclose(build().expected_draws()[:98], plain.expected_draws()[:98])
    assert build().expected_draws()[98:].sum() == pytest.approx(plain.expected_draws()[98:].sum())


def test_without_a_share_the_list_changes_no_draw() -> None:
    assert list(build(None)) == list(BalancedSampler(UNEVEN, seed=4))


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_any_number_of_ranks_shares_one_order(monkeypatch: pytest.MonkeyPatch, world_size: int) -> None:
    alone = on_ranks(monkeypatch, 1, build, epoch=3)[0]
    shares = on_ranks(monkeypatch, world_size, build, epoch=3)
    together = [draw for step in zip(*shares, strict=True) for draw in step]
    assert list(map(int, together[:150])) == list(map(int, alone))
    assert [draw.position for draw in together] == list(range(len(together)))


@pytest.mark.parametrize(("before", "now"), [(1, 1), (1, 2), (2, 3)])
def test_a_resumed_epoch_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch, before: int, now: int) -> None:
    whole = [draw for step in zip(*on_ranks(monkeypatch, before, build, epoch=2), strict=True) for draw in step]
    done = 60
    rest = []
    for rank in range(now):
        monkeypatch.setattr("anomdet.data.sampling.sampler.get_dist_info", lambda rank=rank: (rank, now))
        sampler = build()
        sampler.set_epoch(2)
        sampler.skip(done)
        rest.append(list(sampler))
    resumed = [draw for step in zip(*rest, strict=True) for draw in step]
    assert list(map(int, resumed[: 150 - done])) == list(map(int, whole[done:150]))


def test_without_replacement_a_hard_normal_comes_once() -> None:
    drawn = np.bincount(list(build(0.9, replacement=False)), minlength=150)
    assert drawn.max() == 1 and drawn[HARD].sum() == 3


def test_a_mark_on_an_image_with_objects_counts_for_nothing() -> None:
    assert list(build(hard=[*HARD, 0, 95])) == list(build())


@pytest.mark.parametrize(
    ("share", "hard", "message"),
    [
        (0.5, [0, 5], "expected a listed image in the training split, got none"),
        (0.05, HARD, r"above 0.0577, which they have anyway, and below 1, got 0.05; 3 of 52"),
        (0.5, list(range(98, 150)), "52 of 52 normal images"),
    ],
)
def test_a_share_that_cannot_be(share: float, hard: list[int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build(share, hard)


def test_a_data_set_without_the_marks_is_refused() -> None:
    with pytest.raises(UserError, match="a data set with is_hard_normal, got Counts"):
        BalancedSampler(UNEVEN, hard_normals=0.5)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    for name, text in {"a": "1 1 1 5 5\n", "sub/b c": "", "d": "", "e": "2 3 3 9 9\n"}.items():
        for path in (tmp_path / f"images/{name}.png", tmp_path / f"labels/{name}.txt"):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_image(tmp_path / f"images/{name}.png", (80, 60))
        (tmp_path / f"labels/{name}.txt").write_text(text)
    return tmp_path


def listed(index: DataIndex, text: str) -> list[str]:
    path = index.data_dir / "hard_normals.txt"
    path.write_text(text)
    return [index.records[at].file_name for at in read_hard_normals(index, path)]


def test_a_list_names_images_in_any_order(data_dir: Path) -> None:
    assert listed(scan(data_dir), "sub/b c.png\n\nimages/d.png\r\n") == ["d.png", "sub/b c.png"]


def test_all_that_is_wrong_with_a_list_is_said_at_once(data_dir: Path) -> None:
    with pytest.raises(UserError) as caught:
        listed(scan(data_dir), "d.png\na.png\nD.png\nd.png\n../d.png\n")
    assert len(caught.value.problems) == 4
    text = str(caught.value)
    for part in (":2: expected an image without labels, got 'a.png' with 1", ":3:", ":4: expected each image", ":5"):
        assert part in text


def test_no_list_says_who_writes_it(data_dir: Path) -> None:
    with pytest.raises(UserError, match=r"hard_normals.txt: expected a list.*got no such file; `anomdet review"):
        read_hard_normals(scan(data_dir), data_dir / "hard_normals.txt")


def test_the_data_set_marks_the_listed_images_of_its_split(data_dir: Path) -> None:
    (data_dir / "hard_normals.txt").write_text("d.png\n")
    lists = {split: str(data_dir / f"{split}.txt") for split in ("train", "val", "test")}
    for split, names in {"train": "d.png\nsub/b c.png\n", "val": "a.png\n", "test": "e.png\n"}.items():
        Path(lists[split]).write_text(names)
    given = {"split_files": lists, "hard_normals": str(data_dir / "hard_normals.txt")}
    dataset = TextLabelDataset(str(data_dir), "train", **given)
    assert [dataset.get_data_info(at)["file_name"] for at in np.flatnonzero(dataset.is_hard_normal)] == ["d.png"]
    plain = TextLabelDataset(str(data_dir), "train", split_files=lists)
    assert not plain.is_hard_normal.any()
    assert dataset.get_subset([1]).is_hard_normal.tolist() == [False]
    assert set(dataset.split_hashes) - set(plain.split_hashes) == {"hard_normals"}, "a resume asks for the same list"
    tiles = dict(size_hw=(32, 32), overlap_hw=(8, 8), seen_hw=(32, 32), include_whole=False, min_visible=0.5)
    tiled = TextLabelDataset(str(data_dir), "train", **given, tiles=tiles)
    marked = {tiled.get_data_info(at)["file_name"] for at in np.flatnonzero(tiled.is_hard_normal)}
    assert len(tiled) > 2 and marked == {"d.png"} and tiled.is_hard_normal.sum() == len(tiled) / 2
