"""Every kind of problem in a settings file or an override, with its text; and what must be accepted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from anomdet.config.load import load_settings
from anomdet.config.schema import Settings
from anomdet.errors import UserError

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.usefixtures("in_tmp")


@pytest.fixture
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths in messages are short: the file is ``run.yaml`` here."""
    monkeypatch.chdir(tmp_path)


def load(text: str, *overrides: str) -> Settings:
    Path("run.yaml").write_text(text, encoding="utf-8")
    return load_settings("run.yaml", overrides)


def problems(text: str, *overrides: str) -> list[str]:
    with pytest.raises(UserError) as caught:
        load(text, *overrides)
    assert caught.value.exit_code == 2
    return [str(problem) for problem in caught.value.problems]


VALUES = [
    ("training: {epochs: ten}", "training.epochs: expected an integer >= 1, got 'ten'"),
    ('training: {epochs: "10"}', "training.epochs: expected an integer >= 1, got '10'; write it without quotes"),
    ("training: {epochs: 2.5}", "training.epochs: expected an integer >= 1, got 2.5"),
    ("training: {epochs: 1e1}", "training.epochs: expected an integer >= 1, got 1e1"),
    ("training: {epochs: true}", "training.epochs: expected an integer >= 1, got true"),
    ("training: {epochs: on}", "training.epochs: expected an integer >= 1, got on"),
    ("training: {epochs: 0}", "training.epochs: expected an integer >= 1, got 0"),
    ("training: {epochs: [3]}", "training.epochs: expected an integer >= 1, got [3]"),
    ("training: {epochs: {a: 3}}", "training.epochs: expected an integer >= 1, got {a: 3}"),
    (
        "training: {epochs: }",
        "training.epochs: expected an integer >= 1, got null; leave the key out for its default",
    ),
    ("training: {seed: -1}", "training.seed: expected an integer from 0 to 4294967295, got -1"),
    ("training: {use_amp: 3}", "training.use_amp: expected true or false, got 3"),
    ("training: {use_amp: 0}", "training.use_amp: expected true or false, got 0"),
    (
        'training: {use_amp: "yes"}',
        "training.use_amp: expected true or false, got 'yes'; write it without quotes",
    ),
    ("training: {learning_rate: 0}", "training.learning_rate: expected a number > 0, got 0"),
    ("training: {learning_rate: true}", "training.learning_rate: expected a number > 0, got true"),
    ("training: {learning_rate: .inf}", "training.learning_rate: expected a number > 0, got .inf"),
    ("training: {learning_rate: .nan}", "training.learning_rate: expected a number > 0, got .nan"),
    ("training: {learning_rate: 1e999}", "training.learning_rate: expected a number > 0, got 1e999"),
    ("training: {learning_rate: '0,001'}", "training.learning_rate: expected a number > 0, got '0,001'"),
    (
        "training: {gradient_clip_norm: off}",
        "training.gradient_clip_norm: expected a number > 0 or null, got off",
    ),
    (
        "training: {optimizer: Adm}",
        "training.optimizer: expected one of adam, adamw, sgd, got 'Adm'; did you mean adam?",
    ),
    ("training: {optimizer: 3}", "training.optimizer: expected one of adam, adamw, sgd, got 3"),
    (
        "logging: {log_level: debug}",
        "logging.log_level: expected one of DEBUG, INFO, WARNING, ERROR, CRITICAL, got 'debug'; did you mean DEBUG?",
    ),
    (
        "logging: {log_dir: false}",
        "logging.log_dir: expected text, got false; put it in quotes if it is a name",
    ),
    ("logging: {log_dir: [a]}", "logging.log_dir: expected text, got [a]"),
    ("metrics: 3", "metrics: expected a section of keys, got 3"),
    ("metrics: [3]", "metrics: expected a section of keys, got [3]"),
    (
        "metrics: {score_threshold: 1.5}",
        "metrics.score_threshold: expected a number from 0 to 1, or one for each class, as {1: 0.4, 2: 0.3}, or null, "
        "got 1.5",
    ),
    (
        "data: {group_by: '('}",
        "data.group_by: expected a regular expression: missing ), unterminated subpattern at position 0, got '('",
    ),
    ("data: {group_by: [a]}", "data.group_by: expected a regular expression or null, got [a]"),
    ("evaluation: {confidence: 1}", "evaluation.confidence: expected a number > 0 and < 1, got 1"),
    ("evaluation: {resamples: -1}", "evaluation.resamples: expected an integer >= 0, got -1"),
    ("evaluation: {report: maybe}", "evaluation.report: expected true or false, got 'maybe'"),
    (
        "evaluation: {operating_point: {by: best}}",
        "evaluation.operating_point.by: expected one of auto, max_f1, min_recall, max_false_alarms, costs, got 'best'",
    ),
    (
        "evaluation: {operating_point: {min_recall: 95}}",
        "evaluation.operating_point.min_recall: expected a number > 0 and <= 1, got 95",
    ),
    (
        "evaluation: {operating_point: {escape_cost: .inf}}",
        "evaluation.operating_point.escape_cost: expected a number >= 0, got .inf",
    ),
    (
        "evaluation: {operating_point: {min_recall: 0.99}}",
        "evaluation.operating_point.by: expected min_recall, since min_recall is given, got 'auto'; "
        "write evaluation.operating_point.by: min_recall, or leave min_recall out",
    ),
    (
        "metrics: {iou_thresholds: []}",
        "metrics.iou_thresholds: expected a list of 1 or more numbers > 0 and <= 1, got []",
    ),
    (
        "metrics: {iou_thresholds: 0.5}",
        "metrics.iou_thresholds: expected a list of 1 or more numbers > 0 and <= 1, got 0.5",
    ),
    (
        "metrics: {include_metrics: [iou, recal]}",
        "metrics.include_metrics[1]: expected one of precision, recall, f1_score, iou, got 'recal'; "
        "did you mean recall?",
    ),
    ("data: {image_size: wide}", "data.image_size: expected an integer >= 1 or [height, width], got 'wide'"),
    ("data: {image_size: 0}", "data.image_size: expected an integer >= 1 or [height, width], got 0"),
    ("data: {image_size: [1, 2, 3]}", "data.image_size: expected a list of 2 integers >= 1, got [1, 2, 3]"),
    ("data: {image_size: [640, x]}", "data.image_size[1]: expected an integer >= 1, got 'x'"),
    ("data: {normalize_mean: [1, 2]}", "data.normalize_mean: expected a list of 3 numbers from 0 to 1, got [1, 2]"),
    (
        "data: {normalize_mean: [0.4, 0.4, 103.53]}",
        "data.normalize_mean[2]: expected a number from 0 to 1, got 103.53",
    ),
    ("data: {normalize_std: [1, 1, 0]}", "data.normalize_std[2]: expected a number > 0 and <= 1, got 0"),
    ("data: {normalize_std: [1, 1, 58.4]}", "data.normalize_std[2]: expected a number > 0 and <= 1, got 58.4"),
    (
        "data: {classes: [open]}",
        "data.classes: expected a mapping of class numbers to names, as {1: open, 2: short} or null, got [open]",
    ),
    (
        "data: {classes: {}}",
        "data.classes: expected a mapping of class numbers to names, as {1: open, 2: short}, got {}",
    ),
    (
        "data: {classes: {open: 1}}",
        "data.classes.open: expected an integer, the class number of the label files, got 'open'",
    ),
    (
        "data: {classes: {1:open}}",
        "data.classes.1:open: expected an integer, the class number of the label files, got '1:open'; "
        "put a space after the colon",
    ),
    (
        "data: {classes: {1: true}}",
        "data.classes.1: expected text, got true; put it in quotes if it is a name",
    ),
    ("data: {classes: {1: ''}}", "data.classes.1: expected text, got ''"),
    (
        "data: {classes: {1: open, 2: open}}",
        "data.classes.2: expected a name for each class number, got 'open', the name of 1 too",
    ),
    (
        "data: {augmentations: false}",
        "data.augmentations: expected a section of keys or a list of Albumentations transforms, [] for none, got false",
    ),
    (
        "data: {augmentations: {rotation_degrees: 200}}",
        "data.augmentations.rotation_degrees: expected a number from 0 to 180, got 200",
    ),
    (
        "data: {augmentations: [[3]]}",
        "data.augmentations[0]: expected an Albumentations transform, as {type: HorizontalFlip, p: 0.5}, got [3]",
    ),
    ("data: {split_files: {train: a.txt}}", "data.split_files.val: expected text, got nothing"),
    (
        "model: {backbone: resnet19}",
        "model.backbone: expected one of resnet18, resnet34, resnet50, resnet101, vgg16, efficientnet_lite0, "
        "timm:<name> or null, got 'resnet19'; did you mean resnet18?",
    ),
    ("model: {overrides: [neck]}", "model.overrides: expected a mapping, got [neck]"),
]


@pytest.mark.parametrize(("text", "expected"), VALUES)
def test_a_value_that_does_not_fit(text: str, expected: str) -> None:
    assert problems(f"# first line\n{text}\n") == [f"run.yaml:2: {expected}"]


@pytest.mark.parametrize(("text", "value"), [("auto", "auto"), ("true", True), ("false", False)])
def test_the_normal_only_score_is_on_off_or_as_the_data_has_it(text, value):
    assert load_settings(None, [f"anomaly.enabled={text}"]).anomaly.enabled is value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("anomaly.enabled=maybe", "expected auto, true or false, got 'maybe'"),
        ("anomaly.enabled=1", "expected auto, true or false, got 1"),
        ("data.bit_depth=maybe", "expected one of auto, 8, 10, 12, 14, 16, got 'maybe'"),
    ],
)
def test_a_value_that_is_none_of_several_kinds_is_refused_in_our_words(text, said):
    with pytest.raises(UserError, match=said):
        load_settings(None, [text])


SECTIONS = "expected one of model, training, data, metrics, evaluation, report, logging, anomaly, distributed, plugins"
KEYS = [
    ("epochs: 3", f"epochs: {SECTIONS}, got 'epochs'; did you mean training.epochs?"),
    ("epoch: 3", f"epoch: {SECTIONS}, got 'epoch'; did you mean training.epochs?"),
    ("traning: {}", f"traning: {SECTIONS}, got 'traning'; did you mean 'training'?"),
    ("zzz: 3", f"zzz: {SECTIONS}, got 'zzz'"),
    ("on: 3", f"on: {SECTIONS}, got 'on'"),
    ("1: 3", f"1: {SECTIONS}, got 1"),
    ("name: x", f"name: {SECTIONS}, got 'name'; did you mean model.name or training.scheduler.name?"),
    ("training.epochs: 3", f"training.epochs: {SECTIONS}, got 'training.epochs'; write epochs under training"),
    ("training: {epoch: 3}", "training.epoch: expected a key of training, got 'epoch'; did you mean 'epochs'?"),
    (
        "training: {num_workers: 3}",
        "training.num_workers: expected a key of training, got 'num_workers'; did you mean data.num_workers?",
    ),
    (
        "training: {patience: 3}",
        "training.patience: expected a key of training, got 'patience'; did you mean training.early_stopping.patience?",
    ),
    ("training: {lr: 3}", "training.lr: expected a key of training, got 'lr'; did you mean training.learning_rate?"),
    (
        "training: {early_stopping: {x: 3}}",
        "training.early_stopping.x: expected a key of training.early_stopping, got 'x'; "
        "the keys are enabled, patience, min_delta, warmup_epochs, nan_limit",
    ),
    (
        "data: {augmentations: {hflip: true}}",
        "data.augmentations.hflip: expected a key of data.augmentations, got 'hflip'; "
        "did you mean data.augmentations.horizontal_flip?",
    ),
    (
        "training: {epochs: 3, epochs: 4}",
        "training.epochs: expected each key once, got 'epochs' again; it is in run.yaml:2 too",
    ),
]


@pytest.mark.parametrize(("text", "expected"), KEYS)
def test_an_unknown_or_repeated_key(text: str, expected: str) -> None:
    assert problems(f"# first line\n{text}\n") == [f"run.yaml:2: {expected}"]


SYNTAX = [
    ("training:\n\tepochs: 3\n", "run.yaml:2: expected spaces, got a tab; indent with spaces"),
    (
        "model:\n  name: a: b\n",
        "run.yaml:2: expected valid YAML, got a second ': ' on one line, or a wrong indentation; "
        "put text with a colon in quotes",
    ),
    (
        "data: [1, 2\n",
        "run.yaml:1: expected valid YAML, got a bracket that is not closed, or a missing comma; close each { and [",
    ),
    ("data: *nowhere\n", "run.yaml:1: expected an anchor that was given before, got 'nowhere'"),
    ("---\n---\n", "run.yaml:2: expected one YAML document, got a second one; remove the line ---"),
    ("a: !!python/name:os.system x\n", "run.yaml:1: expected valid YAML, got 'x' tagged tag:yaml.org,2002:python/name"),
    ("a: !thing {b: 1}\n", "run.yaml:1: expected valid YAML, got the tag !thing"),
    ("a: !!int x\n", "run.yaml:1: expected valid YAML, got 'x' tagged tag:yaml.org,2002:int"),
    ("? [a]\n: 1\n", "run.yaml:1: expected valid YAML, got a list or mapping as a key"),
    ("data: &a [*a]\n", "run.yaml:1: expected valid YAML, got an anchor that holds itself"),
    ("[" * 5000, "run.yaml:1: expected settings, got lists or mappings nested too deeply"),
    ("# x\nmodel: \x00\n", "run.yaml:2: expected text, got the character '\\x00'"),
    ("just text\n", "run.yaml:1: expected a mapping of keys, as training: {epochs: 3}, got 'just text'"),
    ("- a\n", "run.yaml:1: expected a mapping of keys, as training: {epochs: 3}, got [a]"),
]


@pytest.mark.parametrize(("text", "expected"), SYNTAX)
def test_what_is_not_a_mapping_in_yaml(text: str, expected: str) -> None:
    (found,) = problems(text)
    assert found.startswith(expected)


@pytest.mark.slow
def test_an_anchor_bomb_is_refused_quickly() -> None:
    text = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
        f"a{n + 1}: &a{n + 1} [{','.join([f'*a{n}'] * 10)}]\n" for n in range(9)
    )
    assert "more than 100000 values" in problems(text)[0]


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("x: &x {k: 1}\ny: {<<: [" + ", ".join(["*x"] * 17) + "]}", "more than 16 merged mappings"),
        (
            "x: "
            + "".join(f"{{<<: [&a{i} " for i in range(40))
            + "{k: 1}"
            + "".join(f", *a{i}]}}" for i in range(39, -1, -1)),
            "more than 10000 keys",
        ),
        ("training: {epochs: 0x" + "f" * 5000 + "}", f"'0x{'f' * 35}...', a number of more than 64 bits"),
        ("training: {epochs: " + "9" * 5000 + "}", f"'{'9' * 37}...' tagged tag:yaml.org,2002:int"),
    ],
)
def test_what_grows_is_refused(text: str, got: str) -> None:
    (problem,) = problems(text)
    assert problem.endswith(f": expected valid YAML, got {got}")


def test_a_long_number_is_cut_in_the_message() -> None:
    (problem,) = problems("training: {learning_rate: " + "9" * 5000 + ".0}")
    assert len(problem) < 200 and problem.endswith("999...")


def test_a_file_that_is_too_large_or_none_is_not_read() -> None:
    assert problems("# " + "x" * 2**18) == [
        "run.yaml: expected a YAML file of settings, got a file that cannot be read: more than 256 kB"
    ]
    os.mkfifo("pipe.yaml")
    Path("device.yaml").symlink_to("/dev/zero")
    for name in ("pipe.yaml", "device.yaml"):
        with pytest.raises(UserError, match="a file that cannot be read: not a regular file"):
            load_settings(name)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    Path("run.yaml").write_bytes(b"model:\n  name: caf\xe9\n")
    Path("configs").mkdir()
    Path("configs/default.yaml").touch()
    expected = {
        "run.yaml": "run.yaml:2: expected text in UTF-8, got the byte 0xe9; save the file as UTF-8",
        "configs/defualt.yaml": "configs/defualt.yaml: expected a YAML file of settings, got no such file; "
        "did you mean configs/default.yaml?",
        "nowhere/x.yaml": "nowhere/x.yaml: expected a YAML file of settings, got no such file",
        "configs": "configs: expected a YAML file of settings, got a folder; did you mean configs/default.yaml?",
        "run.py": "run.py: expected a YAML file of settings, got a Python file",
    }
    for path, text in expected.items():
        with pytest.raises(UserError) as caught:
            load_settings(path)
        assert str(caught.value) == text


RULES = [
    (
        "model:\n  name: retinanet\n  detection_model: fcos\n",
        ["run.yaml:3: model.detection_model: expected the same as model.name, 'retinanet' (run.yaml:2), got 'fcos'; "
         "give one of the two"],
    ),
    (
        "model:\n  custom_backbone_file: run.yaml\n  custom_model_file: run.yaml\n",
        ["run.yaml:2: model.custom_backbone_file: expected null, since model.custom_model_file brings its own "
         "backbone, got 'run.yaml'; give one of the two"],
    ),
    (
        "model:\n  backbone: resnet18\n",
        ["run.yaml:2: model.backbone: expected null or resnet50 with fasterrcnn_resnet50_fpn, got 'resnet18'; "
         "for another backbone write model.name: faster_rcnn"],
    ),
    (
        "model:\n  detection_model: fasterrcnn_resnet50_fpn\n  custom_backbone_file: run.yaml\n",
        ["run.yaml:3: model.custom_backbone_file: expected null with fasterrcnn_resnet50_fpn, got 'run.yaml'; "
         "for another backbone write model.detection_model: null"],
    ),
    (
        "model:\n  num_classes: 3\ndata:\n  classes: {1: a, 2: b}\n",
        ["run.yaml:2: model.num_classes: expected 2, as many as data.classes has (run.yaml:4), got 3; "
         "leave model.num_classes out"],
    ),
    (
        "data:\n  train_split: 0.8\n  val_split: 0.1\n",
        ["run.yaml:3: data.val_split: expected train_split + val_split + test_split = 1, got 0.8 + 0.1 + 0.15 = 1.05"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), RULES)
def test_keys_that_contradict_each_other(text: str, expected: list[str]) -> None:
    assert problems(text) == expected


def test_files_that_the_settings_name_must_exist(tmp_path: Path) -> None:
    Path("folder").mkdir()
    Path("a.txt").touch()
    hint = f"; a path starts from the folder of the command, {Path.cwd()}"
    text = "model: {custom_model_file: net.py}\ndata:\n  split_files: {train: a.txt, val: folder, test: /no/c.txt}\n"
    assert problems(text) == [
        f"run.yaml:1: model.custom_model_file: expected a Python file that exists, got 'net.py'{hint}",
        f"run.yaml:3: data.split_files.val: expected a file that exists, got 'folder', a folder{hint}",
        "run.yaml:3: data.split_files.test: expected a file that exists, got '/no/c.txt'"
        "; if it was moved with the data, add data.split_files.test=PATH of its new place",
    ]


def test_a_rule_is_silent_about_a_key_that_is_already_refused() -> None:
    (found,) = problems("data: {train_split: much, val_split: 0.3, test_split: 0.3}")
    assert "data.train_split" in found and "got 'much'" in found


OVERRIDES = [
    ("training.epochs=2.5", "training.epochs: expected an integer >= 1, got 2.5"),
    ("training.epoch=2", "training.epoch: expected a key of training, got 'epoch'; did you mean 'epochs'?"),
    ("trainin.epochs=2", f"trainin: {SECTIONS}, got 'trainin'; did you mean 'training'?"),
    ("epochs=2", f"epochs: {SECTIONS}, got 'epochs'; did you mean training.epochs?"),
    ("data.data_dir=", "data.data_dir: expected text, got null; leave the key out for its default"),
    ("training.epochs", "expected key=value, as training.epochs=3, got 'training.epochs'"),
    ("=3", "expected key=value, as training.epochs=3, got '=3'"),
    ("training..epochs=3", "expected key=value, as training.epochs=3, got 'training..epochs=3'"),
    (
        "--training.epochs=3",
        "expected key=value, as training.epochs=3, got '--training.epochs=3'; leave out the dashes",
    ),
    (
        "data.classes={1: open",
        "data.classes: expected valid YAML, got a bracket that is not closed, or a missing comma; close each { and [",
    ),
    (
        "data.classes={1: a, 1: b}",
        "data.classes.1: expected each key once, got 1 again; it is in command line too",
    ),
    ("data.augmentations.rotation=3", "data.augmentations.rotation: expected true or false, got 3"),
    (
        "training.epochs.x=3",
        "training.epochs.x: expected training.epochs to hold keys, got 5; give all of training.epochs",
    ),
    (
        "data.train_split=0.8",
        "data.train_split: expected train_split + val_split + test_split = 1, got 0.8 + 0.15 + 0.15 = 1.1",
    ),
]


@pytest.mark.parametrize(("override", "expected"), OVERRIDES)
def test_an_override_that_does_not_fit(override: str, expected: str) -> None:
    text = "training: {epochs: 5}\n"
    assert problems(text, override) == [f"command line: {expected}"]


def test_all_problems_are_told_at_once_by_line_then_overrides() -> None:
    text = "model:\n  num_classes: x\ntraining:\n  epoch: 1\n  seed: -1\ndata:\n  train_split: 0.9\nmetric: {}\n"
    Path("run.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_settings("run.yaml", ["x", "training.use_amp=3"])
    title, *lines = str(caught.value).splitlines()
    assert title == "7 problems in the settings:"
    starts = ["run.yaml:2: model.num_classes", "run.yaml:4: training.epoch", "run.yaml:5: training.seed",
              "run.yaml:7: data.train_split", "run.yaml:8: metric", "command line: expected key=value",
              "command line: training.use_amp"]  # fmt: skip
    assert [line.strip().startswith(start) for line, start in zip(lines, starts, strict=True)] == [True] * 7


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "training:\n", "{}", "\ufefftraining:\n  epochs: 10\n"])
def test_nothing_given_means_the_defaults(text: str) -> None:
    assert load(text) == Settings()
    assert load_settings(None) == Settings()


@pytest.mark.parametrize(
    ("text", "section", "key", "expected"),
    [
        ("training: {learning_rate: 1e-3}", "training", "learning_rate", 0.001),
        ("training: {learning_rate: 1}", "training", "learning_rate", 1.0),
        ("training: {weight_decay: .5}", "training", "weight_decay", 0.5),
        ("training: {epochs: 1_000}", "training", "epochs", 1000),
        ("training: {epochs: 010}", "training", "epochs", 10),
        ("training: {epochs: 0x10}", "training", "epochs", 16),
        ("training: {use_amp: off}", "training", "use_amp", False),
        ("training: {use_amp: YES}", "training", "use_amp", True),
        ("training: {gradient_clip_norm: ~}", "training", "gradient_clip_norm", None),
        ("data: {data_dir: 2024-01-01}", "data", "data_dir", "2024-01-01"),
        ("data: {data_dir: 007}", "data", "data_dir", "007"),
        (
            "data: {classes: {1: no, -2: 10, 0: on, 3: 1.50}}",
            "data",
            "classes",
            {1: "no", -2: "10", 0: "on", 3: "1.50"},
        ),
        ("data: {image_size: [320, 640]}", "data", "image_size", (320, 640)),
        ("data: {image_size: 320}", "data", "image_size", 320),
        ("model: {overrides: {neck: {num_outs: 5, 1: a}}}", "model", "overrides", {"neck": {"num_outs": 5, 1: "a"}}),
        ("model: {detection_model: fcos}", "model", "name", "fcos"),
        ("model: {name: mmdet::a/b.py}", "model", "name", "mmdet::a/b.py"),
        ("model: {backbone: resnet18, detection_model: null}", "model", "backbone", "resnet18"),
        ("model: {backbone: 'timm:x', name: faster_rcnn}", "model", "backbone", "timm:x"),
        ("model: {backbone: resnet50}", "model", "backbone", "resnet50"),
    ],
)
def test_what_is_accepted(text: str, section: str, key: str, expected: object) -> None:
    value = getattr(getattr(load(text), section), key)
    assert value == expected and type(value) is type(expected)


def test_anchors_and_merged_keys() -> None:
    text = "training: {scheduler: &s {T_0: 3, T_mult: 2}}\n"
    assert load(text).training.scheduler.T_0 == 3
    merged = "model: {overrides: {a: &a {x: 1, y: 2}, b: {<<: *a, y: 3}}}\n"
    assert load(merged).model.overrides["b"] == {"x": 1, "y": 3}
    shared = "metrics: {iou_thresholds: &t [0.5, 2]}\nmodel: {overrides: {t: *t}}\n"
    assert problems(shared) == ["run.yaml:1: metrics.iou_thresholds[1]: expected a number > 0 and <= 1, got 2"]


def test_ratios_need_not_sum_to_one_beside_split_files() -> None:
    settings = load("data: {train_split: 0.9, split_files: {train: run.yaml, val: run.yaml, test: run.yaml}}")
    assert settings.data.split_files is not None and settings.data.split_files.val == "run.yaml"


def test_overrides_win_over_the_file_and_later_ones_over_earlier() -> None:
    settings = load(
        "training: {epochs: 5, seed: 1}\ndata: {classes: {1: a, 2: b}}\nmodel:\n",
        "training.epochs=3", "training.epochs=4", "data.data_dir=/data/x=y", "data.classes={7: open}",
        "data.augmentations.rotation=false", "model.overrides.neck.num_outs=4", "training.learning_rate=1e-4",
        "data.classes.8=no", "model.name=retinanet",
    )  # fmt: skip
    assert (settings.training.epochs, settings.training.seed, settings.training.learning_rate) == (4, 1, 1e-4)
    assert settings.data.data_dir == "/data/x=y"
    assert settings.data.classes == {7: "open", 8: "no"}
    assert settings.data.augmentations.rotation is False and settings.data.augmentations.horizontal_flip is True
    assert settings.model.name == "retinanet" and settings.model.overrides == {"neck": {"num_outs": 4}}
    assert load("", "data.augmentations=[]").data.augmentations == []


def test_an_override_names_the_line_that_it_contradicts() -> None:
    (found,) = problems("model: {name: retinanet, detection_model: retinanet}\n", "model.name=fcos")
    assert found == (
        "run.yaml:1: model.detection_model: expected the same as model.name, 'fcos' (command line), got 'retinanet'; "
        "give one of the two"
    )


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("model: {overrides: {backbone: {type: anomdet.FileBackbone, file: a.py}}}", "model.overrides.backbone"),
        ("model: {overrides: {neck: {_scope_: anomdet, type: FileModel}}}", "model.overrides.neck"),
        ("metrics: {extra: [{type: anomdet.FileModel, file: a.py}]}", "metrics.extra[0]"),
    ],
)
def test_a_python_file_is_named_by_its_own_key_alone(text: str, key: str) -> None:
    (found,) = problems(text)
    assert found.startswith(f"run.yaml:1: {key}.type: expected a type that runs no Python file, got ")


def test_a_type_is_a_name_and_no_expression() -> None:
    """mmcv hands that of a suppression to eval()."""
    (found,) = problems("model: {overrides: {test_cfg: {nms: {type: print(1), iou_threshold: 0.5}}}}")
    expected = "the name of a class, got 'print(1)'"
    assert found == f"run.yaml:1: model.overrides.test_cfg.nms.type: expected {expected}"


def test_loading_is_light() -> None:
    Path("run.yaml").write_text("data: {augmentations: {rotation: false}}\n", encoding="utf-8")
    code = (
        "import sys\n"
        "from anomdet.config.load import load_settings; load_settings('run.yaml')\n"
        "print(sorted({'torch', 'mmengine', 'albumentations', 'cv2'} & set(sys.modules)))"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env).stdout
    assert out.strip() == "[]"


def test_lists_of_data_that_were_moved_are_named_at_their_new_place(tmp_path: Path) -> None:
    """The settings of init name the lists by their paths; another data_dir alone left a message without a way out."""
    lists = tmp_path / "moved" / "splits"
    lists.mkdir(parents=True)
    for split in ("train", "val"):
        (lists / f"{split}.txt").write_text("a.png\n")
    files = {"train": "/old/splits/train.txt", "val": "old/splits/val.txt"}
    with pytest.raises(UserError) as caught:
        load_settings({"data": {"data_dir": str(tmp_path / "moved"), "split_files": files}})
    said = [str(problem) for problem in caught.value.problems]
    for split, one in zip(("train", "val"), said, strict=True):
        assert one.endswith(f"; data.data_dir has it; add data.split_files.{split}={lists / f'{split}.txt'}")
    given = [f"data.split_files.{split}={lists / f'{split}.txt'}" for split in ("train", "val")]
    settings = {"data": {"data_dir": str(tmp_path / "moved"), "split_files": files}}
    assert load_settings(settings, given).data.split_files.val == str(lists / "val.txt")
