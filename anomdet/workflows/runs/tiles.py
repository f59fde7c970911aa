"""``data.tiles`` in a config: decided by the data where it is ``auto``, and put into the loaders and loops."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomdet.defaults import TILE_CACHE_GB
from anomdet.errors import Problem, UserError
from anomdet.tiles import Tiling, num_tiles

if TYPE_CHECKING:
    from anomdet.config.schema import Settings
    from anomdet.data.index.scan import DataIndex

AUTO = "auto"
AS_TRAINED, OFF, COMPARE = "as-trained", "off", "compare"
PACK = "anomdet.PackTiles"
_LOAD, _CUT, FIT, PACK_IMAGE = (
    *("anomdet.LoadInspectionImage", "anomdet.CutTile"),
    *("anomdet.FitInside", "anomdet.PackInspectionInputs"),
)
_MERGE, COLLATE = "anomdet.MergeTiles", "anomdet.flat_collate"
_MOST_NORMAL = 0.5  # of the tiles drawn, where nobody says it: most tiles of most images are empty
_UNSAID = dict(min_visible=0.3, empty_share=None, cache_gb=TILE_CACHE_GB)
TESTED = (("val_dataloader", "val_cfg"), ("test_dataloader", "test_cfg"))


def resolve_tiles(config: Any, index: DataIndex | None) -> None:
    """Decide ``auto`` by the data, note why in ``config.tiles_note``, and put the tiles into the loaders, in place.

    Args:
        config: complete but for that; without ``tiles`` it is left as it is.
        index: of the whole data set; None: it is not ours.

    Raises:
        UserError: a data set or a pipeline that is not ours.
    """
    wanted = config.get("tiles")
    if wanted is None or is_tiled(config):
        return
    if index is None:
        kind = config.train_dataloader.dataset.get("type")
        raise UserError(Problem("data.tiles", "null with a data set that is not of AnomDet", str(kind)))
    if wanted == AUTO:
        config.tiles, config.tiles_note = _decided(config, index)
    if config.tiles is not None:
        put_tiles(config, config.tiles, index)


def is_tiled(config: Any) -> bool:
    """Whether the test is on tiles."""
    return any(step.get("type") == PACK for step in config.test_dataloader.dataset.get("pipeline", ()))


def tiling_of(config: Any) -> Tiling | None:
    """Of a complete config; None: it has no tiles."""
    steps = [step for step in config.test_dataloader.dataset.get("pipeline", ()) if step.get("type") == PACK]
    return _tiling(steps[0].tiles) if steps else None


def _tiling(tiles: Mapping[str, Any]) -> Tiling:
    height, width = tiles["size_hw"]
    down, across = tiles["overlap_hw"]
    return Tiling((int(height), int(width)), (int(down), int(across)), bool(tiles["include_whole"]))


def note_on_tiles(config: Any) -> str:
    """What an evaluation looks at, for the log; empty: whole images."""
    tiling = tiling_of(config)
    if tiling is None:
        return ""
    whole = ", and the whole image" if tiling.include_whole else ""
    return f"tiles as trained: {tiling.text}{whole}; --tiles off measures on whole images"


def put_tiles(config: Any, tiles: Mapping[str, Any], index: DataIndex | None) -> None:
    """Train, validate and test on tiles, in place.

    Args:
        config: of images.
        tiles: ``size_hw, overlap_hw, include_whole, min_visible, empty_share, cache_gb``.
        index: for how many tiles an image has; None: not known.

    Raises:
        UserError: a pipeline of another kind.
    """
    most, usual = _tiles_an_image(_tiling(tiles), index)
    _put_into_training(config, tiles)
    for name, loop in TESTED:
        loader = config[name]
        pipeline = loader.dataset.pipeline
        if [step.type for step in pipeline[-2:]] != [FIT, PACK_IMAGE]:
            kinds = ", ".join(str(step.type) for step in pipeline)
            raise UserError(Problem("data.tiles", f"a pipeline that ends with {FIT}, {PACK_IMAGE}", kinds))
        fit, pack = pipeline[-2:]
        rule = dict(tiles, seen_hw=list(fit.size_hw))
        packing = dict(type=PACK, size_hw=fit.size_hw, meta_keys=pack.meta_keys, tiles=rule, most_tiles=most)
        loader.dataset.pipeline = [*pipeline[:-2], packing]
        loader.collate_fn = dict(type=COLLATE)
        config[loop].tiles = dict(merge=dict(type=_MERGE), batch_size=loader.batch_size)
        loader.batch_size = max(1, round(loader.batch_size / usual))


def _put_into_training(config: Any, tiles: Mapping[str, Any]) -> None:
    loader = config.train_dataloader
    if loader.dataset.get("tiles"):
        return
    pipeline = loader.dataset.pipeline
    fits = [step for step in pipeline if step.type == FIT]
    if not fits or pipeline[0].type != _LOAD:
        kinds = ", ".join(str(step.type) for step in pipeline)
        raise UserError(Problem("data.tiles", f"a pipeline that begins with {_LOAD} and has {FIT}", kinds))
    loader.dataset.tiles = dict(tiles, seen_hw=list(fits[0].size_hw))
    reading = dict(pipeline[0], cache_gb=tiles.get("cache_gb", 0.0))  # a Python config of before does not say it
    loader.dataset.pipeline = [reading, dict(type=_CUT), *pipeline[1:]]
    if loader.sampler.get("type") in ("anomdet.BalancedSampler", "anomdet.RepeatFactorSampler"):
        if tiles["empty_share"] is not None:
            loader.sampler.normal_ratio = tiles["empty_share"]
        elif loader.sampler.get("normal_ratio") is None:
            loader.sampler.most_normal = _MOST_NORMAL


def take_tiles_off(config: Any) -> None:
    """Validate and test on whole images, in place; what :func:`put_tiles` did there is undone."""
    for name, loop in TESTED:
        loader = config[name]
        *before, last = loader.dataset.pipeline
        if last.get("type") != PACK:
            continue
        fit, pack = dict(type=FIT, size_hw=last.size_hw), dict(type=PACK_IMAGE, meta_keys=last.meta_keys)
        loader.dataset.pipeline = [*before, fit, pack]
        loader.pop("collate_fn", None)
        loader.batch_size = config[loop].tiles["batch_size"]
        config[loop].pop("tiles")


def tile_as_trained(config: Any, trained: Tiling | None, path: Path, wanted: str = AS_TRAINED) -> None:
    """Put a checkpoint's tiles into a config that is to test it, in place, before the config is completed.

    Args:
        config: of the settings.
        trained: the checkpoint's.
        path: of the checkpoint.
        wanted: ``as-trained``, or ``off``: none.

    Raises:
        UserError: the settings name other tiles.
    """
    if wanted not in (AS_TRAINED, OFF):
        raise UserError(Problem("--tiles", f"{AS_TRAINED}, {OFF} or {COMPARE}", repr(wanted)))
    given = config.pop("tiles", None)
    config.pop("tiles_note", None)
    if is_tiled(config):
        given = dict(_plain(tiling_of(config)))
        take_tiles_off(config)
    own = None if trained is None else _plain(trained)
    if given not in (None, AUTO):
        differs = own is None or any(_as_list(given.get(key)) != _as_list(value) for key, value in own.items())
        if differs:
            hint = f"leave it out: {path} knows its own"
            shown = "null" if own is None else _shown(own)
            raise UserError(Problem("data.tiles", f"{shown}, as in training", _shown(given), hint))
    if own is not None and wanted == AS_TRAINED:
        config.tiles = dict(own, **_UNSAID)


def _plain(tiling: Tiling | None) -> dict[str, Any]:
    assert tiling is not None
    sides = {"size_hw": list(tiling.size_hw), "overlap_hw": list(tiling.overlap_hw)}
    return {**sides, "include_whole": tiling.include_whole}


def _as_list(value: Any) -> Any:
    return list(value) if isinstance(value, (list, tuple)) else value


def _shown(tiles: Mapping[str, Any]) -> str:
    whole = ", include_whole" if tiles["include_whole"] else ""
    return f"size {_as_list(tiles['size_hw'])}, overlap {_as_list(tiles['overlap_hw'])} px{whole}"


def _tiles_an_image(tiling: Tiling, index: DataIndex | None) -> tuple[int, int]:
    """Of the image with the most, and of the usual one."""
    if index is None:
        return 1, 1
    import numpy as np

    from anomdet.workflows.runs.tile_losses import check_num_tiles

    check_num_tiles(index.columns, tiling)
    sizes, counts = np.unique(index.columns.sizes_hw, axis=0, return_counts=True)
    tiles = np.array([num_tiles((height, width), tiling) for height, width in sizes.tolist()])
    return int(tiles.max()), int(np.median(np.repeat(tiles, counts)))


def _decided(config: Any, index: DataIndex) -> tuple[dict[str, Any] | None, str]:
    from anomdet.quality.propose.tiles import choose_tiles

    columns = index.columns
    import numpy as np

    image_at = np.repeat(np.arange(len(columns)), np.diff(columns.box_starts))
    fit = next(step for step in config.test_dataloader.dataset.pipeline if step.type == FIT)
    height, width = fit.size_hw
    wh = columns.bboxes_xyxy[:, 2:] - columns.bboxes_xyxy[:, :2]
    choice = choose_tiles(columns.sizes_hw, wh, image_at, (int(height), int(width)))
    if choice.value is None:
        return None, f"data.tiles: auto: {choice.reason}"
    value = choice.value
    overlap = [value["overlap"]] * 2
    tiles = dict(size_hw=value["size"], overlap_hw=overlap, include_whole=value["include_whole"])
    return dict(tiles, **_UNSAID), f"data.tiles: auto: {choice.reason}"


def with_tiles(settings: Settings, config: Any) -> Settings:
    """The settings with what a complete config has in the place of ``auto``."""
    if settings.data.tiles != AUTO:
        return settings
    from anomdet.config.schema_data import TileSettings

    tiling, tiles = tiling_of(config), None
    if tiling is not None:
        tiles = TileSettings(size=tiling.size_hw, overlap=tiling.overlap_hw[0], include_whole=tiling.include_whole)
    data = settings.data.model_copy(update={"tiles": tiles})
    return settings.model_copy(update={"data": data})
