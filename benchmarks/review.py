"""How many planted label errors `anomdet review` finds, and whether its probabilities hold.

Plants errors into 5 % of the boxes of a data folder (removed, class swapped, shifted by half their size, doubled; in
equal shares), reviews the copy, and compares what is suspected with what was planted. What the data have of their own
errors counts as right here, so that the figures are a lower bound. Run it from the repository's root:

    python benchmarks/review.py DATA --out /tmp/review_benchmark --minutes 6 --folds 2 --seeds 0
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np

import anomdet
from anomdet.boxes import pairwise_iou, xywh_to_xyxy
from anomdet.data.index.scan import scan
from anomdet.data.labels import Labels, write_labels
from anomdet.layout import SPLITS

KINDS = ("removed", "swapped", "shifted", "doubled")
FOUND_IOU = 0.4
BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.01)


def plant(data_dir: Path, out_dir: Path, share: float, seed: int) -> list[dict]:
    """A copy with errors; each error's kind, image, label as written (None: removed) and true box, corner and size."""
    index = scan(data_dir)
    rng = np.random.default_rng(seed)
    columns = index.columns
    image_of = np.repeat(np.arange(len(columns)), np.diff(columns.box_starts))
    chosen = rng.permutation(len(image_of))[: round(share * len(image_of))]
    kind_of = dict(zip(chosen.tolist(), rng.permutation(np.arange(len(chosen)) % len(KINDS)).tolist(), strict=True))
    planted = []
    for at, name in enumerate(columns.file_names()):
        image, label = out_dir / "images" / name, (out_dir / "labels" / name).with_suffix(".txt")
        image.parent.mkdir(parents=True, exist_ok=True)
        label.parent.mkdir(parents=True, exist_ok=True)
        image.symlink_to((data_dir / "images" / name).resolve())
        boxes, nums = [], []
        for row in range(columns.box_starts[at], columns.box_starts[at + 1]):
            box, num = columns.bboxes_xyxy[row].astype(float), int(columns.class_nums[row])
            true = [*box[:2].tolist(), *(box[2:] - box[:2]).tolist()]
            if row not in kind_of:
                boxes.append(box), nums.append(num)
                continue
            kind, size_wh = KINDS[kind_of[row]], box[2:] - box[:2]
            if kind == "swapped":
                num = int(rng.choice([other for other in index.class_nums if other != num]))
            elif kind == "shifted":
                box = _shifted(box, size_wh, columns.sizes_hw[at], rng)
            written = None if kind == "removed" else [*box[:2].tolist(), *(box[2:] - box[:2]).tolist()]
            planted.append({"kind": kind, "image": name, "written": written, "true": true, "class_num": num})
            planted[-1]["true_class_num"] = int(columns.class_nums[row])
            if kind != "removed":
                boxes.append(box), nums.append(num)
            if kind == "doubled":
                again = box + np.tile(size_wh, 2) * rng.uniform(-0.05, 0.05, 4)
                boxes.append(np.clip(again, 0, np.tile(columns.sizes_hw[at][::-1], 2))), nums.append(num)
                planted[-1]["again"] = [*boxes[-1][:2].tolist(), *(boxes[-1][2:] - boxes[-1][:2]).tolist()]
        write_labels(label, Labels(np.array(boxes, np.float32).reshape(-1, 4), np.array(nums, np.int64)))
    return planted


def _shifted(box: np.ndarray, size_wh: np.ndarray, size_hw: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """By half its size along an axis, towards where there is room."""
    axis = int(rng.integers(2))
    limit = size_hw[1 - axis]
    step = 0.5 * size_wh[axis] * (1 if box[2 + axis] + 0.5 * size_wh[axis] <= limit else -1)
    moved = box.copy()
    moved[[axis, 2 + axis]] += step
    return moved


def judge(document: dict, planted: list[dict]) -> tuple[np.ndarray, np.ndarray]:
    """``(S,)`` whether each suspect is a planted error, whatever its kind; ``(E,)`` rank of each error, inf: none."""
    by_image: dict[str, list[int]] = {}
    for number, one in enumerate(planted):
        by_image.setdefault(one["image"], []).append(number)
    is_error = np.zeros(len(document["suspects"]), dtype=bool)
    rank = np.full(len(planted), np.inf)
    for at, suspect in enumerate(document["suspects"]):
        for number in by_image.get(suspect["image"], ()):
            error = planted[number]
            written = [box for box in (error["written"], error.get("again")) if box]
            named = any(np.allclose(box["bbox_xywh"], one, atol=0.02) for box in suspect["remove"] for one in written)
            if error["kind"] in ("removed", "shifted"):
                added = np.array([box["bbox_xywh"] for box in suspect["add"]]).reshape(-1, 4)
                named |= bool(
                    (pairwise_iou(xywh_to_xyxy(added), xywh_to_xyxy(np.array([error["true"]]))) >= FOUND_IOU).any()
                )
            if named:
                is_error[at] = True
                rank[number] = min(rank[number], at)
    return is_error, rank


def measure(document: dict, planted: list[dict]) -> dict:
    is_error, rank = judge(document, planted)
    num_labels = document["num_labels"]
    top5, top10 = round(0.05 * num_labels), round(0.1 * num_labels)
    kinds = np.array([one["kind"] for one in planted])
    order = {
        "planted": len(planted),
        "labels": num_labels,
        "suspects": len(is_error),
        "precision_top_5": float(is_error[:top5].sum() / top5),
        "recall_top_10": float((rank < top10).mean()),
        "recall_top_10_by_kind": {kind: float((rank[kinds == kind] < top10).mean()) for kind in KINDS},
        "suspects_of_top_5": dict(Counter(one["kind"] for one in document["suspects"][:top5])),
    }
    said = np.array([np.nan if one["probability"] is None else one["probability"] for one in document["suspects"]])
    bins = []
    for low, high in pairwise(BINS):
        mine = (said >= low) & (said < high)
        if mine.any():
            bins.append(
                [
                    round(low, 1),
                    int(mine.sum()),
                    round(float(said[mine].mean()), 3),
                    round(float(is_error[mine].mean()), 3),
                ]
            )
    total = sum(count for _, count, _, _ in bins)
    gap = sum(count * abs(mean - true) for _, count, mean, true in bins) / max(total, 1)
    return {**order, "calibration_bins": bins, "calibration_error": round(gap, 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder that holds images/ and labels/")
    parser.add_argument("--config", type=Path, help="settings; default: as `anomdet init` proposes")
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    parser.add_argument("--checkpoint", type=Path, help="train nothing: review what this one did not learn from")
    parser.add_argument(
        "--lists", type=Path, help="with --checkpoint: the folder of its train.txt, val.txt and test.txt"
    )
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--minutes", type=float, help="of all folds; default: each trains as the settings say")
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    for seed in arguments.seeds:
        folder = arguments.out / str(seed)
        planted = plant(arguments.data, folder / "data", arguments.share, seed)
        if arguments.config is None:
            settings = anomdet.propose_settings(folder / "data").settings
        else:
            settings = anomdet.load_settings(arguments.config)
        values = settings.model_dump(mode="json")
        values["data"]["data_dir"] = str(folder / "data")
        if arguments.lists is not None:
            values["data"]["split_files"] = {split: str(arguments.lists / f"{split}.txt") for split in SPLITS}
            values["data"]["split"] |= {"by": "files", "group_regex": None}
        started = time.process_time()
        how: dict = {"minutes": arguments.minutes, "folds": arguments.folds}
        if arguments.checkpoint is not None:
            how = {"checkpoint": arguments.checkpoint}
            kept = {name for split in SPLITS[1:] for name in (arguments.lists / f"{split}.txt").read_text().split("\n")}
            planted = [one for one in planted if one["image"] in kept]
        done = anomdet.review(values, out=folder / "review", **how)
        found = measure(dict(done.document), planted)
        found |= {
            "seed": seed,
            "cpu_minutes": round((time.process_time() - started) / 60, 2),
            "machine": platform.processor(),
        }
        (folder / "planted.json").write_text(json.dumps(planted))
        (folder / "figures.json").write_text(json.dumps(found, indent=1))
        print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
