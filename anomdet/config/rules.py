"""Rules that hold between keys; each is skipped where one of its keys is already refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from anomdet.config.foreign_keys import FOREIGN, check_names
from anomdet.config.missing_files import missing_hint
from anomdet.config.preset_names import unknown_name
from anomdet.config.problems import KeyPath, Report, show_value
from anomdet.config.schema import FIXED_BACKBONES, Settings
from anomdet.metric_catalogue import VAL_LOSS
from anomdet.terminal import one_line
from anomdet.tiles import MAX_OVERLAP, cost_of_share


class Facts:
    """The settings as far as they fit the schema.

    Args:
        fitting: plain values that fit, nested; a key that is not given is left out.
        bad: paths of what does not fit.
        report: takes the problems.
    """

    def __init__(self, fitting: dict[str, Any], bad: set[KeyPath], report: Report) -> None:
        self._fitting = fitting
        self._bad = bad
        self._defaults = Settings().model_dump()
        self.report = report

    def sound(self, *paths: KeyPath) -> bool:
        """Whether nothing at or under these keys was refused."""
        return not any(bad[: len(path)] == path or path[: len(bad)] == bad for path in paths for bad in self._bad)

    def given(self, path: KeyPath) -> bool:
        """Whether the user wrote the key."""
        return _get(self._fitting, path, self) is not self

    def value(self, path: KeyPath) -> Any:
        """What the user wrote, or the default."""
        return _get(self._fitting, path, self.default(path))

    def default(self, path: KeyPath) -> Any:
        """Of the schema."""
        return _get(self._defaults, path, None)


def _get(values: Any, path: KeyPath, default: Any) -> Any:
    for key in path:
        if not isinstance(values, dict) or key not in values:
            return default
        values = values[key]
    return values


def check_rules(facts: Facts) -> None:
    """Report every broken rule."""
    for keys, rule in _RULES:
        if facts.sound(*keys):
            rule(facts)


NAME, DETECTION_MODEL, BACKBONE = ("model", "name"), ("model", "detection_model"), ("model", "backbone")
BACKBONE_FILE, MODEL_FILE = ("model", "custom_backbone_file"), ("model", "custom_model_file")
NUM_CLASSES, CLASSES = ("model", "num_classes"), ("data", "classes")
RATIOS = (("data", "train_split"), ("data", "val_split"), ("data", "test_split"))
SPLIT_FILES, GROUP_BY, DATA_DIR = (("data", key) for key in ("split_files", "group_by", "data_dir"))
SPLIT_BY, GROUP_REGEX = ("data", "split", "by"), ("data", "split", "group_regex")
WEIGHTS, OVERRIDES = ("model", "weights"), ("model", "overrides")
TILES, IMAGE_SIZE, IMBALANCE = ("data", "tiles"), ("data", "image_size"), ("training", "class_imbalance_handling")
HARD_NORMALS_FILE = (*IMBALANCE, "hard_normals_file")
POINT, TTA, REVIEW = (("evaluation", key) for key in ("operating_point", "tta", "review"))
MONITOR, WITH_LOSS = ("training", "monitor"), ("training", "val_loss")
STATIC_GRAPH, ACCUMULATION = ("distributed", "static_graph"), ("training", "accumulation_steps")


def _one_name(facts: Facts) -> None:
    name, detection_model = facts.value(NAME), facts.value(DETECTION_MODEL)
    if facts.given(NAME) and detection_model is not None and name != detection_model:
        expected = f"the same as model.name, {name!r} ({facts.report.place(NAME).where})"
        facts.report.add(DETECTION_MODEL, expected, repr(detection_model), "give one of the two")


def _known_name(facts: Facts) -> None:
    for path in (NAME, DETECTION_MODEL):
        wrong = unknown_name(facts.value(path)) if facts.given(path) and facts.value(path) else None
        if wrong is not None:
            facts.report.add(path, *wrong)


def _no_network(facts: Facts) -> None:
    """Without a network for boxes, what is said of one, or of its tiles, would be left out in silence."""
    if facts.value(NAME) is not None or facts.value(DETECTION_MODEL) is not None:
        return
    hint = "of model.name: null only the normal-only score is learned"
    for path in (BACKBONE, BACKBONE_FILE, MODEL_FILE, WEIGHTS, OVERRIDES, NUM_CLASSES, TILES, TTA):
        if facts.value(path):
            facts.report.add(path, "null with model.name: null", show_value(facts.value(path)), hint)


def _one_file(facts: Facts) -> None:
    if facts.value(BACKBONE_FILE) is not None and facts.value(MODEL_FILE) is not None:
        expected = "null, since model.custom_model_file brings its own backbone"
        facts.report.add(BACKBONE_FILE, expected, repr(facts.value(BACKBONE_FILE)), "give one of the two")


def _backbone_of_preset(facts: Facts) -> None:
    """A name that fixes its backbone contradicts another one, unless ``detection_model: null`` gives it up."""
    gave_up = facts.given(DETECTION_MODEL) and facts.value(DETECTION_MODEL) is None
    name = facts.value(DETECTION_MODEL) or facts.value(NAME)
    if gave_up or name not in FIXED_BACKBONES or facts.value(MODEL_FILE) is not None:
        return
    own_backbone, general = FIXED_BACKBONES[name]
    for path, fitting in ((BACKBONE, (None, own_backbone)), (BACKBONE_FILE, (None,))):
        if facts.value(path) not in fitting:
            expected = f"null or {own_backbone} with {name}" if len(fitting) > 1 else f"null with {name}"
            remedy = "detection_model: null" if facts.value(DETECTION_MODEL) else f"name: {general}"
            hint = f"for another backbone write model.{remedy}"
            facts.report.add(path, expected, repr(facts.value(path)), hint)


def _class_count(facts: Facts) -> None:
    count, classes = facts.value(NUM_CLASSES), facts.value(CLASSES)
    if count is not None and classes is not None and count != len(classes):
        where = facts.report.place(CLASSES).where
        hint = "leave model.num_classes out"
        facts.report.add(NUM_CLASSES, f"{len(classes)}, as many as data.classes has ({where})", str(count), hint)


def _class_names(facts: Facts) -> None:
    first: dict[str, int | str] = {}
    for number, name in (facts.value(CLASSES) or {}).items():
        if one_line(name) != name:
            facts.report.add((*CLASSES, number), "a name on one line, without control characters", repr(name))
        if name in first:
            expected = "a name for each class number"
            facts.report.add((*CLASSES, number), expected, f"{name!r}, the name of {first[name]} too")
        first.setdefault(name, number)


def _ratios(facts: Facts) -> None:
    values = [facts.value(path) for path in RATIOS]
    if facts.value(SPLIT_FILES) is not None or abs(sum(values) - 1) <= 1e-6:
        return
    last = max((path for path in RATIOS if facts.given(path)), key=lambda path: facts.report.place(path).order)
    got = f"{' + '.join(f'{value:g}' for value in values)} = {sum(values):g}"
    facts.report.add(last, "train_split + val_split + test_split = 1", got)


def _split_by(facts: Facts) -> None:
    """What is named in two ways must agree: a grouping that is silently left out would be a leak."""
    by, files, regex = facts.value(SPLIT_BY), facts.value(SPLIT_FILES), facts.value(GROUP_REGEX)
    if by == "files" and files is None:
        facts.report.add(SPLIT_BY, "ratio or group, or data.split_files beside it", "files")
    elif by in ("ratio", "group") and files is not None:
        hint = "leave out the lists, or data.split.by=files"
        facts.report.add(SPLIT_BY, f"files, since data.split_files are given ({_where(facts, SPLIT_FILES)})", by, hint)
    elif by == "group" and regex is None and facts.value(GROUP_BY) is None:
        facts.report.add(SPLIT_BY, "data.split.group_regex or data.group_by beside it", "group and neither")
    elif by == "ratio" and regex is not None:
        facts.report.add(GROUP_REGEX, "null with data.split.by: ratio", repr(regex), "by: group keeps groups together")


def _where(facts: Facts, path: KeyPath) -> str:
    return facts.report.place(path).where


def _files(facts: Facts) -> None:
    listed = [(*SPLIT_FILES, split) for split in facts.value(SPLIT_FILES) or {}]
    for path in (BACKBONE_FILE, MODEL_FILE, HARD_NORMALS_FILE, REVIEW, *listed):
        name = facts.value(path)
        if name is not None and not Path(name).is_file():
            got = f"{show_value(name)}, a folder" if Path(name).is_dir() else show_value(name)
            expected = "a Python file that exists" if path[0] == "model" else "a file that exists"
            facts.report.add(path, expected, got, missing_hint(path, str(name), facts.value(DATA_DIR)))


def _static_graph(facts: Facts) -> None:
    """DDP counts the uses of each weight in the first step, which without a reduction fails an assertion of its own."""
    if facts.value(STATIC_GRAPH) and facts.value(ACCUMULATION) > 1:
        expected = f"false, since training.accumulation_steps is {facts.value(ACCUMULATION)}"
        facts.report.add(STATIC_GRAPH, expected, "true", "DDP cannot do both")


def _monitor(facts: Facts) -> None:
    """A value that is not computed makes no epoch the best one: the run would end without best_model.pth."""
    if facts.value(MONITOR) == VAL_LOSS and not facts.value(WITH_LOSS):
        hint = f"or leave out training.val_loss: false ({_where(facts, WITH_LOSS)})"
        facts.report.add(MONITOR, "a metric that is computed", repr(VAL_LOSS), hint)


def _operating_point(facts: Facts) -> None:
    """A demand that `by` does not look at would be thought to hold."""
    by = facts.value((*POINT, "by"))
    for name, users in _DEMANDS.items():
        path = (*POINT, name)
        if by not in users and facts.given(path) and facts.value(path) != facts.default(path):
            hint = f"write evaluation.operating_point.by: {users[-1]}, or leave {name} out"
            facts.report.add((*POINT, "by"), f"{' or '.join(users)}, since {name} is given", repr(by), hint)


def _tiles(facts: Facts) -> None:
    """Sizes that go together, and a share that some sampler looks at."""
    tiles = facts.value(TILES)
    if not isinstance(tiles, dict):
        return
    size, overlap = tiles.get("size") or facts.value(IMAGE_SIZE), tiles.get("overlap", 0.2)
    least = min(size) if isinstance(size, (list, tuple)) else size
    if overlap > MAX_OVERLAP if overlap < 1 else overlap >= least or overlap != int(overlap):
        expected = f"a share up to {MAX_OVERLAP:g}, or whole pixels below the tile's side, {least}"
        facts.report.add((*TILES, "overlap"), expected, f"{overlap:g}", cost_of_share(overlap, least))
    share, method = tiles.get("empty_share"), facts.value((*IMBALANCE, "method"))
    normal_ratio = facts.value((*IMBALANCE, "normal_ratio"))
    if share is not None and method == "none":
        hint = "or training.class_imbalance_handling.method: balanced_sampler or repeat_factor, which draw by shares"
        facts.report.add((*TILES, "empty_share"), f"null with method: {method}", f"{share:g}", hint)
    elif share is not None and method == "balanced_sampler" and normal_ratio not in (None, share):
        expected = f"{normal_ratio:g}, as normal_ratio ({_where(facts, (*IMBALANCE, 'normal_ratio'))}), or null"
        facts.report.add((*TILES, "empty_share"), expected, f"{share:g}", "give one of the two")


def _hard_normals(facts: Facts) -> None:
    """A share needs a sampler that draws by shares, and normal images; a list alone would do nothing."""
    share, listed = facts.value((*IMBALANCE, "hard_normals")), facts.value(HARD_NORMALS_FILE)
    method, normal_ratio = facts.value((*IMBALANCE, "method")), facts.value((*IMBALANCE, "normal_ratio"))
    if share is None and listed is not None:
        facts.report.add(HARD_NORMALS_FILE, "hard_normals beside it, their share", "the list alone", "or leave it out")
    elif share is not None and (method != "balanced_sampler" or normal_ratio == 0):
        other = "normal_ratio: 0" if normal_ratio == 0 else f"method: {method}, which draws by no shares"
        facts.report.add((*IMBALANCE, "hard_normals"), f"null with {other}", f"{share:g}")


def _tta(facts: Facts) -> None:
    """Views that differ from each other and from the plain image, which is always looked at."""
    tta = facts.value(TTA)
    if not isinstance(tta, dict):
        return
    for key in ("flips", "scales"):
        if len(set(values := tta.get(key, []))) != len(values):
            facts.report.add((*TTA, key), "each once", show_value(values))
    if 1 in tta.get("scales", []):
        facts.report.add((*TTA, "scales"), "scales besides 1, which is always looked at", show_value(tta["scales"]))
    if tta.get("flips") == [] and not tta.get("scales"):
        facts.report.add((*TTA, "flips"), "a flip, or a scale", "[]", "null for one pass")


_DEMANDS = {
    "min_recall": ("min_recall",),
    "max_false_alarms": ("max_false_alarms",),
    "escape_cost": ("auto", "costs"),
    "overkill_cost": ("auto", "costs"),
}
_RULES: tuple[tuple[tuple[KeyPath, ...], Callable[[Facts], None]], ...] = (
    ((NAME, DETECTION_MODEL), _known_name),
    ((NAME, DETECTION_MODEL), _one_name),
    ((NAME, DETECTION_MODEL, BACKBONE, BACKBONE_FILE, MODEL_FILE, TILES, TTA), _no_network),
    ((BACKBONE_FILE, MODEL_FILE), _one_file),
    ((NAME, DETECTION_MODEL, BACKBONE, BACKBONE_FILE, MODEL_FILE), _backbone_of_preset),
    ((NUM_CLASSES, CLASSES), _class_count),
    ((CLASSES,), _class_names),
    ((*RATIOS, SPLIT_FILES), _ratios),
    ((SPLIT_BY, GROUP_REGEX, SPLIT_FILES, GROUP_BY), _split_by),
    ((BACKBONE_FILE, MODEL_FILE, HARD_NORMALS_FILE, REVIEW, SPLIT_FILES), _files),
    ((POINT,), _operating_point),
    ((MONITOR, WITH_LOSS), _monitor),
    ((STATIC_GRAPH, ACCUMULATION), _static_graph),
    ((TILES, IMAGE_SIZE, IMBALANCE), _tiles),
    ((IMBALANCE,), _hard_normals),
    ((TTA,), _tta),
    (FOREIGN, lambda facts: check_names(facts.value, facts.report)),
)
