"""Boards of 12 megapixels with small defects: with tiles, without, the windows alone, and SAHI on the same checkpoint.

    OMP_NUM_THREADS=1 taskset -c 0 python benchmarks/tiling.py DEEPPCB --out /tmp/boards --minutes 17
    pip install --target sahi --no-deps sahi fire shapely termcolor      # its own folder, for --sahi sahi

DEEPPCB holds images/ and labels/ of windows of 640 x 640 px, the good ones named ``*_normal.jpg``. A board of 3,840 x
3,200 px is cut out of 7 x 6 of them at a place drawn by chance: seams between windows look like defects, and tiles that
begin at multiples of 640 or 128 px would meet fewer of them. 0 to 6 of the 20 windows that are whole in it have
defects. The windows alone are these and 10 good ones, as many pixels as a board has. Windows of training, validation
and test boards are never shared. Each run has a process of its own, and its minutes are processor minutes: a busy
machine changes nothing. Both detectors are trained at the same input size and by the same preset, cpu_small.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

WINDOW, COLUMNS, ROWS = 640, 6, 5
MOST_DEFECTIVE = 6
TILES = "{size: 640, overlap: 0.2}"
SPLITS = ("train", "val", "test")


def compose(args: argparse.Namespace) -> None:
    """Boards with labels and lists below ``out``, and the windows of the test boards in ``out/windows``."""
    rng = np.random.default_rng(args.seed)
    names = sorted(path.name for path in (args.data / "images").iterdir())
    pools = [[], []]  # defective, good
    for name in names:
        pools["_normal" in name].append(name)
    shares = np.cumsum([0.6, 0.1, 0.3])
    boards = {"train": args.train, "val": args.val, "test": args.test}
    for pool in pools:
        rng.shuffle(pool)
    for at, split in enumerate(SPLITS):
        own = [pool[int(len(pool) * (shares[at - 1] if at else 0)) : int(len(pool) * shares[at])] for pool in pools]
        lines = []
        for number in range(boards[split]):
            windows = _chosen(rng, own, number % (MOST_DEFECTIVE + 1))
            lines.append(_write_board(args, rng, f"{split}_{number:03}", windows, with_windows=split == "test"))
        (args.out / f"{split}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _chosen(rng: np.random.Generator, pools: list[list[str]], num_defective: int) -> list[str]:
    bad = rng.choice(pools[0], num_defective, replace=False).tolist()
    good = rng.choice(pools[1], (COLUMNS - 1) * (ROWS - 1) - num_defective).tolist()
    whole: list[str] = rng.permutation([*bad, *good]).tolist()
    around = iter(rng.choice(pools[1], (COLUMNS + 1) * (ROWS + 1)).tolist())
    inner = iter(whole)
    return [
        next(inner if 0 < row < ROWS and 0 < column < COLUMNS else around)
        for row in range(ROWS + 1)
        for column in range(COLUMNS + 1)
    ]


def _write_board(
    args: argparse.Namespace, rng: np.random.Generator, name: str, windows: list[str], *, with_windows: bool
) -> str:
    board = np.zeros(((ROWS + 1) * WINDOW, (COLUMNS + 1) * WINDOW, 3), np.uint8)
    above, before = rng.integers(1, WINDOW, 2).tolist()
    lines = []
    num_around = COLUMNS * ROWS - (COLUMNS - 1) * (ROWS - 1)  # good windows that count for those at the edges
    for at, window in enumerate(windows):
        row, column = at // (COLUMNS + 1), at % (COLUMNS + 1)
        pixels = cv2.imread(str(args.data / "images" / window))
        assert pixels.shape[:2] == (WINDOW, WINDOW), window
        board[row * WINDOW : (row + 1) * WINDOW, column * WINDOW : (column + 1) * WINDOW] = pixels
        if not (0 < row < ROWS and 0 < column < COLUMNS):
            if with_windows and num_around:
                _write(args.out / "windows", f"{name}_{at:02}", pixels, [])
                num_around -= 1
            continue
        top, left = row * WINDOW - above, column * WINDOW - before
        label = (args.data / "labels" / window).with_suffix(".txt").read_text(encoding="utf-8")
        for line in label.splitlines():
            num, x, y, *size = line.split()
            lines.append(" ".join([num, str(int(x) + left), str(int(y) + top), *size]))
        if with_windows:
            _write(args.out / "windows", f"{name}_{at:02}", pixels, label.splitlines())
    board = board[above : above + ROWS * WINDOW, before : before + COLUMNS * WINDOW]
    _write(args.out / "boards", name, board, lines)
    return f"{name}.jpg"


def _write(folder: Path, name: str, pixels: np.ndarray, lines: list[str]) -> None:
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / "images" / f"{name}.jpg"), pixels, [cv2.IMWRITE_JPEG_QUALITY, 92])
    (folder / "labels" / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def overrides(args: argparse.Namespace, name: str) -> list[str]:
    """The preset, but for the data, the time, and one worker's work in the process itself."""
    lists = [f"data.split_files.{split}={args.out.resolve()}/{split}.txt" for split in SPLITS]
    folders = [f"logging.log_dir={args.out}/{name}/logs", f"logging.checkpoint_dir={args.out}/{name}/checkpoints"]
    tiles = [f"data.tiles={TILES}"] if name == "tiled" else []
    size = f"data.image_size={args.size}"
    point = f"evaluation.operating_point.by={args.point}"
    return [*lists, *folders, *tiles, size, point, f"data.data_dir={args.out}/boards", "data.num_workers=0"]


def train(args: argparse.Namespace) -> dict[str, Any]:
    """One run of ``args.minutes`` processor minutes, and its metrics on the test boards."""
    for clock in ("time", "monotonic", "perf_counter"):
        setattr(time, clock, time.process_time)
    import anomdet

    config = Path(__file__).parents[1] / "configs/cpu_small.yaml"
    given = overrides(args, args.worker)
    started = time.process_time()
    anomdet.train(config, [*given, f"training.minutes={args.minutes}", f"training.seed={args.seed}"])
    seconds = time.process_time() - started
    rows = {"minutes": seconds / 60}
    for tiles in ("as-trained", "off") if args.worker == "tiled" else ("as-trained",):
        started = time.process_time()
        found = anomdet.evaluate(config, given, out=args.out / args.worker / f"evaluation_{tiles}", tiles=tiles)
        rows[tiles] = {**_numbers(found.metrics), "seconds_a_board": (time.process_time() - started) / args.test}
    return rows


def _numbers(metrics: Any) -> dict[str, Any]:
    part = metrics["part_level"]
    kept = {key: metrics.get(key) for key in ("mAP", "mAP_50", "precision", "recall", "f1_score")}
    return {**kept, **{key: part.get(key) for key in ("escapes", "overkill", "auroc", "false_alarms_per_good")}}


def windows_alone(args: argparse.Namespace) -> dict[str, Any]:
    """The tiled detector's checkpoint on the windows of the test boards, each an image of its own."""
    import anomdet

    names = sorted(path.name for path in (args.out / "windows/images").iterdir())
    (args.out / "windows.txt").write_text("\n".join(names[2:]) + "\n", encoding="utf-8")
    for split, name in zip(SPLITS[:2], names, strict=False):  # a run wants three lists; these two are left out
        (args.out / f"windows_{split}.txt").write_text(f"{name}\n", encoding="utf-8")
    lists = {split: args.out.resolve() / f"windows_{split}.txt" for split in SPLITS[:2]}
    lists["test"] = args.out.resolve() / "windows.txt"
    given = [f"data.split_files.{split}={path}" for split, path in lists.items()]
    given += [f"data.data_dir={args.out}/windows", f"logging.log_dir={args.out}/windows_logs", "data.num_workers=0"]
    checkpoint = args.out / "tiled/checkpoints/best_model.pth"
    settings = {"data": {"image_size": args.size}}
    found = anomdet.evaluate(settings, given, checkpoint=checkpoint, out=args.out / "windows_evaluation", tiles="off")
    return _numbers(found.metrics)


def ours(args: argparse.Namespace) -> dict[str, Any]:
    """Boards through :func:`anomdet.load`, for the comparison with SAHI: rows and processor time."""
    import anomdet

    detector = anomdet.load(args.out / "tiled/checkpoints/best_model.pth", device="cpu")
    paths = _compared(args)
    detector(paths[0])
    started = time.process_time()
    rows = []
    for at, path in enumerate(paths):
        found = detector(path, min_score=args.floor)
        for box, score, num in zip(found.bboxes_xyxy.tolist(), found.scores, found.class_nums.tolist(), strict=True):
            rows.append(_row(at, box, float(score), num))
    return {"rows": rows, "seconds_a_board": (time.process_time() - started) / len(paths), "gb": _peak_gb()}


def sahi(args: argparse.Namespace) -> dict[str, Any]:
    """The same boards, checkpoint, tile and overlap through SAHI's MMDetection adapter, with its defaults otherwise."""
    sys.path.insert(0, str(args.sahi))
    import torch
    from mmengine.config import Config

    import anomdet.registry  # noqa: F401 - the model's own classes
    from anomdet.workflows.load import read_artifact

    torch.set_num_threads(1)
    path = args.out / "tiled/checkpoints/best_model.pth"
    checkpoint = torch.load(path, weights_only=False, map_location="cpu")
    artifact = read_artifact(checkpoint, path)
    pipeline = [
        dict(type="LoadImageFromFile"),
        dict(type="Resize", scale=(args.size, args.size), keep_ratio=True),
        dict(type="PackDetInputs", meta_keys=("img_path", "ori_shape", "img_shape", "scale_factor")),
    ]
    dataset = dict(type="CocoDataset", pipeline=pipeline, metainfo=dict(classes=artifact.class_names))
    loader = dict(dataset=dataset)
    loaders = dict(train_dataloader=loader, test_dataloader=loader)
    config = dict(model=artifact.model.config, default_scope="mmdet", visualizer=dict(type="DetLocalVisualizer"))
    Config({**config, **loaders}).dump(args.out / "sahi.py")
    weights = {"state_dict": checkpoint["state_dict"], "meta": {"dataset_meta": {"classes": artifact.class_names}}}
    torch.save(weights, args.out / "sahi.pth")

    from sahi import AutoDetectionModel
    from sahi.predict import get_sliced_prediction

    paths = _compared(args)
    model = AutoDetectionModel.from_pretrained(
        "mmdet",
        model_path=str(args.out / "sahi.pth"),
        config_path=str(args.out / "sahi.py"),
        confidence_threshold=args.floor,
        device="cpu",
    )
    slicing = dict(slice_height=640, slice_width=640, overlap_height_ratio=0.2, overlap_width_ratio=0.2, verbose=0)
    started = time.process_time()
    rows = []
    for at, one in enumerate(paths):
        found = get_sliced_prediction(str(one), model, perform_standard_pred=False, **slicing)
        for row in found.object_prediction_list:
            rows.append(_row(at, row.bbox.to_xyxy(), row.score.value, artifact.class_nums[row.category.id]))
    seconds = (time.process_time() - started) / len(paths)
    return {"rows": rows, "seconds_a_board": seconds, "gb": _peak_gb()}


def _row(image: int, box: Any, score: float, num: int) -> dict[str, Any]:
    x, y, right, bottom = box
    return {"image_id": image, "bbox": [x, y, right - x, bottom - y], "score": score, "category_id": num}


def _compared(args: argparse.Namespace) -> list[Path]:
    names = (args.out / "test.txt").read_text(encoding="utf-8").split()[: args.compared]
    return [args.out / "boards/images" / name for name in names]


def _peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def measured(args: argparse.Namespace, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """mAP of rows against the labels of the compared boards, by pycocotools."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    images, annotations = [], []
    for at, path in enumerate(_compared(args)):
        images.append({"id": at, "width": COLUMNS * WINDOW, "height": ROWS * WINDOW})
        label = args.out / "boards/labels" / f"{path.stem}.txt"
        for line in label.read_text(encoding="utf-8").splitlines():
            num, *box = map(int, line.split())
            own = {"id": len(annotations) + 1, "image_id": at, "category_id": num, "bbox": box}
            annotations.append({**own, "area": box[2] * box[3], "iscrowd": 0})
    truth = COCO()
    categories = [{"id": num, "name": str(num)} for num in sorted({one["category_id"] for one in annotations})]
    truth.dataset = {"images": images, "annotations": annotations, "categories": categories}
    truth.createIndex()
    evaluation = COCOeval(truth, truth.loadRes(rows), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return {"mAP": float(evaluation.stats[0]), "mAP_50": float(evaluation.stats[1]), "rows": len(rows)}


WORKERS = {"tiled": train, "untiled": train, "windows": windows_alone, "ours": ours, "sahi": sahi}


def in_process(args: argparse.Namespace, worker: str) -> dict[str, Any]:
    """A part of the benchmark in a process of its own; its result, which is kept beside the boards."""
    file = args.out / f"{worker}.json"
    if not file.is_file():
        command = [sys.executable, __file__, *sys.argv[1:], "--worker", worker]
        subprocess.run(command, check=True, stdout=sys.stderr)
    result: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return result


def main() -> None:
    """Compose, train both, and print one JSON object with all numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    for split, count in (("train", 60), ("val", 10), ("test", 30)):
        parser.add_argument(f"--{split}", type=int, default=count, help="boards")
    parser.add_argument("--minutes", type=float, default=17, help="of each training, processor time")
    parser.add_argument("--size", type=int, default=320, help="what the network sees")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--point", default="max_f1", help="operating point of both; `auto` judges boards, not boxes")
    parser.add_argument("--sahi", type=Path, help="folder that SAHI was installed into; without it, it is left out")
    parser.add_argument("--compared", type=int, default=8, help="boards for the comparison with SAHI")
    parser.add_argument("--floor", type=float, default=0.05, help="least score of the rows of that comparison")
    parser.add_argument("--worker", choices=WORKERS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.worker:
        result = WORKERS[args.worker](args)
        (args.out / f"{args.worker}.json").write_text(json.dumps(result), encoding="utf-8")
        return
    if not (args.out / "test.txt").is_file():
        compose(args)
    parts = ["tiled", "untiled", "windows", "ours", *(["sahi"] if args.sahi else [])]
    found = {part: in_process(args, part) for part in parts}
    for part in found.keys() & {"ours", "sahi"}:
        found[part].update(measured(args, found[part].pop("rows")))
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
