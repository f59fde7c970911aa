"""A backbone from the user's file: ``get_custom_backbone(config) -> (backbone, out_channels)``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from anomdet.errors import Problem, UserError
from anomdet.models.user_file import load_name, problem_from
from anomdet.registry import MODELS

FUNCTION = "get_custom_backbone"
RETURN = "(backbone: torch.nn.Module, out_channels: int or list of int)"
MAPS = "a tensor (N, C, H, W), or a dict, list or tuple of them"


@MODELS.register_module()
class FileBackbone(nn.Module):
    """The user's module; its outputs become a tuple of maps from the finest to the coarsest.

    Args:
        file: Python file that defines ``get_custom_backbone(config) -> (backbone, out_channels)``. The backbone takes
            images ``(N, 3, H, W)`` and returns one map or a dict, list or tuple of maps ``(N, C, h, w)``;
            ``out_channels`` is one number for all maps or one for each, in the order in which they are returned.
        config: handed to the function as a dict.
        out_indices: which maps to keep, counted from the finest; null keeps all.
        init_cfg: accepted for MMDetection's sake and unused.

    Raises:
        UserError: the file, the function, what it returns or, at a forward pass, the maps are not as described.
    """

    def __init__(
        self,
        file: str,
        config: Mapping[str, Any] | None = None,
        out_indices: Sequence[int] | None = None,
        init_cfg: None = None,
    ):
        super().__init__()
        del init_cfg
        self.file = file
        self.out_indices = None if out_indices is None else tuple(out_indices)
        function = load_name(file, FUNCTION, f"function {FUNCTION}(config)")
        try:
            returned = function(dict(config or {}))
        except Exception as error:
            path = Path(file).expanduser().resolve()
            raise UserError(problem_from(error, path, f"{FUNCTION}(config) to return {RETURN}")) from error
        self.model, self.out_channels = _check_return(file, returned)

    def init_weights(self) -> None:
        """Nothing: the user's function did it. MMDetection calls this on every backbone."""

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images ``(N, 3, H, W)`` to maps ``(N, C, h, w)``, the finest first."""
        maps = self._checked(self.model(images))
        maps.sort(key=lambda level: -level.shape[-1] * level.shape[-2])
        if self.out_indices is None:
            return tuple(maps)
        if not all(0 <= i < len(maps) for i in self.out_indices):
            where = f"{self.file}: out_indices"
            raise UserError(Problem(where, f"0 to {len(maps) - 1}", str(list(self.out_indices))))
        return tuple(maps[i] for i in self.out_indices)

    def _checked(self, returned: Any) -> list[Tensor]:
        """The maps in the order in which they were returned."""
        maps = [returned] if isinstance(returned, Tensor) else returned
        maps = list(maps.values()) if isinstance(maps, Mapping) else maps
        where = f"{self.file}: backbone's forward"
        if not isinstance(maps, (list, tuple)) or not maps:
            raise UserError(Problem(where, MAPS, type(returned).__name__))
        problems = []
        for i, level in enumerate(maps):
            if not isinstance(level, Tensor) or level.ndim != 4:
                got = f"shape {tuple(level.shape)}" if isinstance(level, Tensor) else type(level).__name__
                problems.append(Problem(f"{where}, map {i}", "a tensor (N, C, H, W)", got))
        if problems:
            raise UserError(problems)
        self._check_channels(where, [level.shape[1] for level in maps])
        return list(maps)

    def _check_channels(self, where: str, got: list[int]) -> None:
        promised = self.out_channels
        expected = [promised] * len(got) if isinstance(promised, int) else promised
        if got != expected:
            hint = f"{FUNCTION} returned out_channels = {promised}"
            raise UserError(Problem(where, f"maps with {expected} channels", str(got), hint))


def _check_return(file: str, returned: Any) -> tuple[nn.Module, int | list[int]]:
    where = f"{file}: {FUNCTION}"
    if not isinstance(returned, tuple) or len(returned) != 2:
        raise UserError(Problem(where, RETURN, _describe(returned)))
    backbone, channels = returned
    problems = []
    if not isinstance(backbone, nn.Module):
        problems.append(Problem(f"{where}, backbone", "a torch.nn.Module", _describe(backbone)))
    many = list(channels) if isinstance(channels, (list, tuple)) else [channels]
    if not many or not all(isinstance(c, int) and not isinstance(c, bool) and c > 0 for c in many):
        problems.append(Problem(f"{where}, out_channels", "an integer >= 1 or a list of them", repr(channels)))
    if problems:
        raise UserError(problems)
    return backbone, many if isinstance(channels, (list, tuple)) else channels


def _describe(value: Any) -> str:
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}: ({', '.join(type(item).__name__ for item in value)})"
    return type(value).__name__
