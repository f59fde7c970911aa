"""Settings of hard normals that would do nothing, or something else than they say, are refused."""

from __future__ import annotations

import pytest

from anomdet.config.load import load_settings
from anomdet.errors import UserError

KEY = "training.class_imbalance_handling"


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("{hard_normals: 0}", "a number > 0 and < 1 or null"),
        ("{hard_normals: 1}", "a number > 0 and < 1 or null"),
        ("{hard_normals: many}", "a number > 0 and < 1 or null, got 'many'"),
        ("{hard_normals: 0.5, method: none}", "hard_normals: expected null with method: none"),
        ("{hard_normals: 0.5, method: repeat_factor}", "hard_normals: expected null with method: repeat_factor"),
        ("{hard_normals: 0.5, normal_ratio: 0}", "hard_normals: expected null with normal_ratio: 0"),
        ("{hard_normals: 0.5, hard_normals_file: nowhere.txt}", "hard_normals_file: expected a file that exists"),
        ("{hard_normals_file: pyproject.toml}", "hard_normals_file: expected hard_normals beside it"),
    ],
)
def test_one_message_for_each(written: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        load_settings({}, [f"{KEY}={written}"])
    assert len(caught.value.problems) == 1
    assert message in str(caught.value)


def test_off_by_default() -> None:
    assert load_settings({}).training.class_imbalance_handling.hard_normals is None
