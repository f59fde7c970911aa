"""One kind of part before a fixed camera: all pictures look alike, and those of one part are found all the same."""

from __future__ import annotations

import numpy as np
import pytest

from anomdet.data.near_duplicates import kinds as kinds_module
from anomdet.data.near_duplicates import residual
from anomdet.data.near_duplicates.audit import audit_images
from anomdet.data.near_duplicates.hashes import Hashes
from anomdet.data.near_duplicates.kinds import KIND_DISTANCE, MIN_KIND, find_kinds, near_candidates
from anomdet.data.near_duplicates.likeness import likeness_of_pairs
from anomdet.data.near_duplicates.residual import cells_of, hash_residuals, max_distance, near_residuals
from tests.unit.data.near_duplicates.photographs import draw_surface, encode, photograph

NUM_PARTS, NUM_TWICE = 96, 8


@pytest.fixture(scope="module")
def fixed_camera(tmp_path_factory):
    """Faint surfaces; of eight parts a second picture: moved, brighter, with a defect, saved worse."""
    data_dir = tmp_path_factory.mktemp("fixed_camera")
    (data_dir / "images").mkdir()
    for part in range(NUM_PARTS):
        rng = np.random.default_rng(part)
        surface = draw_surface(rng, contrast=2.0)
        (data_dir / "images" / f"{part:03}_0.jpg").write_bytes(encode(photograph(surface, rng)))
        if part < NUM_TWICE:
            again = photograph(surface, rng, shift_px=1.0, gain=1.1, defect=True)
            (data_dir / "images" / f"{part:03}_1.jpg").write_bytes(encode(again, 70))
    return data_dir


def test_second_pictures_are_found_among_look_alikes(fixed_camera, tmp_path, monkeypatch):
    monkeypatch.setenv("ANOMDET_CACHE_DIR", str(tmp_path))
    names = sorted(path.name for path in (fixed_camera / "images").iterdir())
    audit = audit_images(fixed_camera, names)
    found = {(names[first], names[second]) for first, second in audit.pairs.tolist()}
    assert found == {(f"{part:03}_0.jpg", f"{part:03}_1.jpg") for part in range(NUM_TWICE)}
    assert audit.complete and audit.num_alike == len(names)
    # The detail alone does not tell the parts apart: their surfaces are nearly flat.
    others = np.array([[2 * NUM_TWICE + part, 2 * NUM_TWICE + part + 1] for part in range(20)])
    assert (likeness_of_pairs(fixed_camera / "images", names, others) > 0.75).any()


def test_light_and_gain_are_out_of_the_cells():
    picture = photograph(draw_surface(np.random.default_rng(0)), np.random.default_rng(1))[:256:4, :256:4]
    ramp = np.linspace(-20, 20, 64)[None]
    lit = np.clip(0.8 * picture + 30 + ramp, 0, 255).astype(np.uint8)
    cells, others = cells_of(np.ascontiguousarray(picture)), cells_of(lit)
    assert np.corrcoef(cells, others)[0, 1] > 0.98


def test_residuals_of_different_parts_differ_in_half_of_the_bits():
    """Whatever they share: here two shapes and a lamp."""
    rng = np.random.default_rng(0)
    shapes, lamp = rng.normal(size=(2, 256)), rng.normal(size=256)
    own = rng.normal(size=(400, 256))
    cells = shapes[rng.integers(0, 2, 400)] + rng.normal(size=(400, 1)) * lamp + 0.5 * own
    cells[1] = cells[0] + 0.2 * lamp + 0.05 * rng.normal(size=256)
    upper = np.triu_indices(400, 1)
    bits = np.unpackbits(hash_residuals(cells.astype(np.float16)), axis=1)
    apart = (bits[:, None] != bits[None]).sum(axis=2)[upper]
    assert apart[0] < 50 and np.median(apart) == pytest.approx(128, abs=2)
    assert (apart <= max_distance(400)).sum() <= 5
    plain = cells > cells.mean(axis=0)
    assert ((plain[:, None] != plain[None]).sum(axis=2)[upper] <= max_distance(400)).sum() > 10_000


@pytest.mark.parametrize("chunk", [32, 4096])
def test_residuals_as_all_pairs(monkeypatch, chunk):
    monkeypatch.setattr(residual, "_CHUNK", chunk)
    rng = np.random.default_rng(1)
    cells = rng.normal(size=(150, 256))
    cells[100:] = cells[:50] + rng.uniform(0, 2, (50, 1)) * rng.normal(size=(50, 256))
    cells = cells.astype(np.float16)
    bits = np.unpackbits(hash_residuals(cells), axis=1)
    apart = (bits[:, None] != bits[None]).sum(axis=2)
    expected = np.argwhere(np.triu(apart <= max_distance(150), 1))
    found = near_residuals(cells)
    assert 20 < len(expected) < 60 and found.complete
    assert np.array_equal(found.pairs, expected)
    assert np.array_equal(found.distances, apart[tuple(expected.T)])
    assert not near_residuals(cells, max_pairs=5).complete
    nearest = near_residuals(cells, all_pairs=False)
    assert not nearest.complete and {*map(tuple, nearest.pairs.tolist())} < {*map(tuple, expected.tolist())}


def draw_bits(rng: np.random.Generator, num: int, turned: float, seed: np.ndarray | None = None) -> np.ndarray:
    seed = rng.random(256) < 0.5 if seed is None else seed
    return np.packbits(seed ^ (rng.random((num, 256)) < turned), axis=1)


def test_kinds_and_the_rest():
    rng = np.random.default_rng(2)
    bits = np.concatenate([draw_bits(rng, 90, 0.1), draw_bits(rng, 70, 0.1), draw_bits(rng, MIN_KIND - 1, 0.1)])
    bits = np.concatenate([bits, draw_bits(rng, 100, 0.5)])
    assert sorted(kind.tolist() for kind in find_kinds(bits)) == [list(range(90)), list(range(90, 160))]
    assert find_kinds(bits[160:]) == [] and find_kinds(bits[:0]) == []


def test_each_pair_once_where_kinds_overlap(monkeypatch):
    rng = np.random.default_rng(3)
    seed = rng.random(256) < 0.5
    bits = draw_bits(rng, 200, 0.02, seed)
    bits[100:] ^= np.packbits(np.arange(256) < KIND_DISTANCE - 40)
    cells = rng.normal(size=(200, 256)).astype(np.float16)
    cells[100:110] = cells[:10]
    hashes = Hashes(bits, np.zeros(200, np.uint8), cells)
    monkeypatch.setattr(kinds_module, "_LED_DISTANCE", 40)
    assert [len(kind) for kind in find_kinds(bits)] == [200, 200]
    near, num_alike = near_candidates(hashes)
    assert {*map(tuple, near.pairs.tolist())} >= {(at, 100 + at) for at in range(10)}
    assert len(np.unique(near.pairs, axis=0)) == len(near.pairs) and num_alike == 200
    monkeypatch.setattr(kinds_module, "_MAX_PRODUCTS", 0)
    assert near.complete and not near_candidates(hashes)[0].complete


def test_images_of_no_kind_are_compared_as_a_whole():
    bits = draw_bits(np.random.default_rng(4), 40, 0.5)
    bits[7] = bits[3]
    near, num_alike = near_candidates(Hashes(bits, np.zeros(40, np.uint8), np.zeros((40, 256), np.float16)))
    assert near.pairs.tolist() == [[3, 7]] and near.distances.tolist() == [0] and num_alike == 0
