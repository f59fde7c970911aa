"""How much of the mAP that planted label errors cost comes back when the review's right suspects are accepted.

Takes a folder that `benchmarks/review.py` wrote (the spoiled copy, what was planted, the review), accepts those of the
first suspects that correct a planted error, as a careful person would, and trains three detectors in equal time: on the
clean, the spoiled and the corrected labels of the same images. All three are measured on the clean test split, which
none of them looks at; the best epoch is chosen on the validation split of its own labels. From the repository's root:

    python benchmarks/review.py DATA --out /tmp/review --minutes 20 --folds 2 --seeds 0 --share 0.2
    python benchmarks/review_regain.py DATA /tmp/review/0 --out /tmp/regain --minutes 5 --runs 42 43 44
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import anomdet
from anomdet.boxes import pairwise_iou, xywh_to_xyxy
from anomdet.config.translate_data import split_arguments
from anomdet.data.index.scan import scan
from anomdet.data.splits.lists import freeze
from anomdet.data.splits.make import as_split_rule, make_splits
from anomdet.layout import SPLITS

FITS_IOU = 0.5  # of the new box and the true one, for a person to accept it
METRICS = ("mAP", "mAP_50")


def is_corrected(suspect: Mapping[str, Any], error: Mapping[str, Any]) -> bool:
    """Whether accepting a suspect makes the label right again, up to the place of a box."""
    removes = [one["bbox_xywh"] for one in suspect["remove"]]
    written = [box for box in (error["written"], error.get("again")) if box]
    names = any(np.allclose(box, one, atol=0.02) for box in removes for one in written)
    kind = {"removed": "missing", "swapped": "class", "shifted": "box", "doubled": "double"}[error["kind"]]
    if suspect["kind"] != kind or (kind != "missing" and not names):
        return False
    if kind == "double":
        return True
    (added,) = suspect["add"]
    overlap = pairwise_iou(xywh_to_xyxy(np.array([added["bbox_xywh"]])), xywh_to_xyxy(np.array([error["true"]])))
    return bool(added["class_num"] == error["true_class_num"] and overlap[0, 0] >= FITS_IOU)


def decisions(document: Mapping[str, Any], planted: Sequence[Mapping[str, Any]], top: float) -> dict[str, Any]:
    """decisions.json: of the first ``top`` of the labels as many suspects, the right ones; each error once."""
    left = list(planted)
    accepted = []
    for suspect in document["suspects"][: round(top * document["num_labels"])]:
        for error in left:
            if error["image"] == suspect["image"] and is_corrected(suspect, error):
                accepted.append({key: suspect[key] for key in ("id", "image", "kind", "remove", "add")})
                accepted[-1]["decision"] = "accept"
                left.remove(error)
                break
    return {"review": document["review"], "decisions": accepted}


def settings_of(config: Path | None, data: Path) -> anomdet.Settings:
    return anomdet.propose_settings(data).settings if config is None else anomdet.load_settings(config)


def runs(arguments: argparse.Namespace, folders: Mapping[str, Path], lists: Path) -> Iterator[dict[str, Any]]:
    """Train and measure: what was learned from, the seed and the metrics of each run."""
    for seed in arguments.runs:
        for name, data in folders.items():
            values = settings_of(arguments.config, arguments.data).model_dump(mode="json")
            values["data"] |= {"split_files": {one: str(lists / f"{one}.txt") for one in SPLITS}}
            values["data"]["split"] |= {"by": "files", "group_regex": None, "on_leak": "ignore"}
            values["training"] |= {"seed": seed, "minutes": arguments.minutes}
            folder = str(arguments.out / f"{name}_{seed}")
            values["logging"] |= {"log_dir": folder, "checkpoint_dir": folder}
            done = anomdet.train(values | {"data": values["data"] | {"data_dir": str(data)}})
            clean = values | {"data": values["data"] | {"data_dir": str(arguments.data)}}
            out = arguments.out / f"{name}_{seed}_test"
            found = anomdet.evaluate(clean, split="test", checkpoint=done.best_checkpoint, out=out)
            yield {"labels": name, "seed": seed, **{key: float(found.metrics[key]) for key in METRICS}}


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Means over the seeds, what the errors cost, and the share of it that came back."""
    means = {
        name: {key: statistics.mean(row[key] for row in rows if row["labels"] == name) for key in METRICS}
        for name in ("clean", "spoiled", "corrected")
    }
    lost = {key: means["clean"][key] - means["spoiled"][key] for key in METRICS}
    back = {key: means["corrected"][key] - means["spoiled"][key] for key in METRICS}
    share = {key: back[key] / lost[key] if lost[key] > 0 else None for key in METRICS}
    return {"mean": means, "lost": lost, "back": back, "share_back": share}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the clean data")
    parser.add_argument("review", type=Path, help="a seed's folder of benchmarks/review.py")
    parser.add_argument("--config", type=Path, help="settings; default: as `anomdet init` proposes")
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    parser.add_argument("--minutes", type=float, default=5, help="of each training")
    parser.add_argument("--top", type=float, default=0.1, help="suspects that are looked at, as a share of the labels")
    parser.add_argument("--runs", type=int, nargs="+", default=[42, 43, 44], help="seeds of training")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True)
    planted = json.loads((arguments.review / "planted.json").read_text())
    document = json.loads((arguments.review / "review" / "review.json").read_text())
    decided = decisions(document, planted, arguments.top)
    path = arguments.out / "decisions.json"
    path.write_text(json.dumps(decided))
    settings = settings_of(arguments.config, arguments.data)
    spoiled = arguments.review / "data"
    values = settings.model_dump(mode="json")
    values["data"]["data_dir"] = str(spoiled)
    anomdet.apply_decisions(values, decisions=path, out=arguments.out / "corrected")
    index = scan(arguments.data)
    positions = make_splits(index, as_split_rule(**split_arguments(settings.data))).positions
    lists = freeze(arguments.out, index, positions, {"by": "benchmarks/review_regain.py"})
    folders = {"clean": arguments.data, "spoiled": spoiled, "corrected": arguments.out / "corrected"}
    rows = []
    for row in runs(arguments, folders, lists):
        rows.append(row)
        print(json.dumps(row), flush=True)
    found = {"planted": len(planted), "corrected": len(decided["decisions"]), "runs": rows, **summary(rows)}
    (arguments.out / "figures.json").write_text(json.dumps(found, indent=1))
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
