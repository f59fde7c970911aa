"""What a key of the settings may hold, where Python's own types do not say it.

In the JSON schema of a type ``$comment`` is what an error message calls it; ``describe.py`` reads it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from anomdet.metric_catalogue import MATCHING_KEYS, MONITORS
from anomdet.views import FLIPS, LEAST_SCALE, MOST_SCALE

if TYPE_CHECKING:
    MetricName: TypeAlias = str
    MonitorName: TypeAlias = str
    FlipName: TypeAlias = str
else:
    MetricName, MonitorName, FlipName = Literal[tuple(MATCHING_KEYS)], Literal[MONITORS], Literal[FLIPS]


class Section(BaseModel):
    """One frozen section of the settings; unknown keys are refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=(), allow_inf_nan=False
    )


Fraction = Annotated[float, Field(ge=0, le=1)]
OpenFraction = Annotated[float, Field(gt=0, le=1)]
ViewScale = Annotated[float, Field(ge=LEAST_SCALE, le=MOST_SCALE)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]  # what NumPy takes
TrackerName = Literal["tensorboard", "mlflow", "wandb"]
Channels = Annotated[list[Fraction], Field(min_length=3, max_length=3)]
Scales = Annotated[list[OpenFraction], Field(min_length=3, max_length=3)]

BACKBONES = ("resnet18", "resnet34", "resnet50", "resnet101", "vgg16", "efficientnet_lite0")
BACKBONE_PATTERN = rf"^({'|'.join(BACKBONES)}|timm:.+)$"
BackboneName = Annotated[
    str,
    Field(pattern=BACKBONE_PATTERN),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": BACKBONE_PATTERN,
            "examples": list(BACKBONES),
            "$comment": f"one of {', '.join(BACKBONES)}, timm:<name>",
        }
    ),
]

# Written out because pydantic's own JSON schema of it forgets that the keys are integers.
ClassNames = Annotated[
    dict[int, Annotated[str, Field(min_length=1)]],
    Field(min_length=1),
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"pattern": "^-?[0-9]+$", "$comment": "an integer, the class number of the label files"},
            "additionalProperties": {"type": "string", "minLength": 1},
            "minProperties": 1,
            "$comment": "a mapping of class numbers to names, as {1: open, 2: short}",
        }
    ),
]

ScoreThreshold = Annotated[
    Fraction | dict[int, Fraction] | None,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": 1},
                {
                    "type": "object",
                    "propertyNames": {"pattern": "^-?[0-9]+$", "$comment": "the number of a class, not its name"},
                    "additionalProperties": {"type": "number", "minimum": 0, "maximum": 1},
                },
                {"type": "null"},
            ],
            "$comment": "a number from 0 to 1, or one for each class, as {1: 0.4, 2: 0.3}, or null",
        }
    ),
]


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"a regular expression: {error}") from error
    return value


Pattern = Annotated[
    str, AfterValidator(_pattern), WithJsonSchema({"type": "string", "$comment": "a regular expression"})
]

Transform = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "object", "properties": {"type": {"type": "string"}}, "additionalProperties": True},
                {"type": "string"},
            ],
            "$comment": "an Albumentations transform, as {type: HorizontalFlip, p: 0.5}",
        }
    ),
]


def spell_out(transforms: list[Any]) -> list[Any]:
    """``HorizontalFlip`` in a list stands for ``{type: HorizontalFlip}``, inside a composition too."""
    spelled: list[Any] = [{"type": item} if isinstance(item, str) else item for item in transforms]
    return [
        {**item, "transforms": spell_out(item["transforms"])}
        if isinstance(item, dict) and isinstance(item.get("transforms"), list)
        else item
        for item in spelled
    ]
