"""50 faults of 19 kinds, planted in good data: all are found, and hardly anything else."""

from __future__ import annotations

import pytest

from anomdet.quality.check.check import Rules, check_data
from anomdet.quality.check.findings import Finding
from tests.unit.quality.check.plant import COUNTS, plant


def keys(findings: list[Finding]) -> set[tuple[str, str, int]]:
    return {(found.code, found.file, found.line) for found in findings}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_all_are_found(any_dir, tmp_path, seed):
    own = keys(check_data(any_dir, Rules()).findings)
    planted = set(plant(any_dir, tmp_path / "data", seed))
    assert len(planted) == sum(COUNTS.values()) == 50 and len(COUNTS) >= 12
    found = keys(check_data(tmp_path / "data", Rules()).findings)
    assert planted <= found, sorted(planted - found)
    false = found - planted - own
    assert len(false) <= 2, sorted(false)
