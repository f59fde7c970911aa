"""The maps of the normal-only score that go into details.json: few, small, and the right ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from anomdet.evaluation.heat_maps import MOST_CELLS, MOST_MAPS, heat_maps, worth_a_look
from anomdet.evaluation.unseen import fused
from tests.unit.evaluation.test_unseen import five_parts, one_verdict


def test_rejected_defective_images_come_first_then_rejected_good_ones_then_those_that_pass() -> None:
    assert worth_a_look(one_verdict()) == [0, 3, 1], (
        "two defective and three good images, 0 and 3 rejected by the score"
    )
    assert worth_a_look(five_parts()) == [], "no normal-only score"


def test_there_are_few_of_them_however_many_images_there_are() -> None:
    measured = one_verdict()
    many = 100
    results = replace(measured.results, parts=None)
    verdicts = replace(measured.verdicts, image_ratio=np.arange(many) / 50.0)  # type: ignore[type-var]

    class Results:
        part_of_image = np.arange(many)
        num_images = many

    class Parts:
        defective = np.arange(many) % 2 == 0

    fake = type("Fake", (), {"verdicts": verdicts, "results": Results, "parts": Parts})
    chosen = worth_a_look(fake)
    assert len(chosen) == len(set(chosen)) == MOST_MAPS
    thirds = [chosen[at : at + MOST_MAPS // 3] for at in range(0, MOST_MAPS, MOST_MAPS // 3)]
    assert thirds[0] == list(range(98, 82, -2)) and thirds[1] == list(range(99, 83, -2))
    assert thirds[2] == list(range(48, 32, -2))
    assert results.num_images == 5


def test_a_fine_map_is_made_coarser_by_its_farthest_cells_and_a_far_cell_is_cut_off() -> None:
    measured = fused(five_parts(), np.array([3.0, 0.5, 0.4, 2.0, 0.5]), 1.0, 0.5)
    cells = np.zeros((96, 64), dtype=np.float32)
    cells[95, 0], cells[40, 40] = 1.234, 1e9
    measured = replace(measured, verdicts=replace(measured.verdicts, cell_ratios={0: cells}))  # type: ignore[type-var]
    (entry,) = heat_maps(measured)
    rows = np.array(entry["cells"])
    assert rows.shape == (MOST_CELLS, 22), "every 3 x 3 cells become one"
    assert rows[31, 0] == 123 and rows[13, 13] == 1000 and (rows > 0).sum() == 2
    assert entry["classes"] == ["dent"] and entry["defective"] and entry["rejected"]
