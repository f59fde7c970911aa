"""How many labels `anomdet review --unlabelled` saves against labelling images by chance.

Starts with a tenth of a training list and, in rounds, trains a detector and labels more: by `anomdet.choose_to_label`,
or by chance. Each training starts from the same weights and has the same number of steps, whatever is labelled, and its
last weights are measured on the val list, which decides nothing. The first round is the same for both ways. With
--go-on, each training starts from the weights of the round before, and so does a training of as many steps on all
labels. Finished trainings in --out are not repeated, so that a run goes on where it stopped, and seeds can run side by
side:

    OMP_NUM_THREADS=1 python benchmarks/label_next.py DATA --train train.txt --val val.txt --out /tmp/next --steps 450

The table has the mean mAP_50 over the seeds by the share of labelled images, and the first share within 0.03 of that of
the whole list. Seconds are those of the processor.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import shutil
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

import anomdet
from anomdet.data.index.scan import scan

WAYS = ("chosen", "random")
NEAR = 0.03  # of mAP_50 with all labels


def read_list(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def write_list(path: Path, names: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    return path.resolve()


def train(
    args: argparse.Namespace, folder: Path, names: list[str], seed: int, before: Path | None = None
) -> dict[str, Any]:
    """Train on the named images, measure on the val list; the figures are kept in ``folder``."""
    report = folder / "figures.json"
    if report.is_file():
        return dict(json.loads(report.read_text(encoding="utf-8")))
    shutil.rmtree(folder, ignore_errors=True)
    started = time.process_time()
    settings = settings_of(args, folder, names, seed)
    if args.go_on and before is not None:
        settings["model"]["weights"] = str(before / "run" / "last.pth")
    score = anomdet.train(settings).best_score  # there is one validation, after the last step
    kept = set(names)
    boxes = sum(len(one.labels.class_nums) for one in scan(args.data).records if one.file_name in kept)
    seconds = round(time.process_time() - started, 1)
    found = {"images": len(names), "boxes": boxes, "mAP_50": score, "seconds": seconds}
    report.write_text(json.dumps(found), encoding="utf-8")
    return found


def settings_of(args: argparse.Namespace, folder: Path, names: list[str], seed: int) -> dict[str, Any]:
    """Settings by the rules of `init`, of as many steps for any number of images."""
    lists = {"train": names, "val": read_list(args.val), "test": read_list(args.train)[:1]}
    overrides = [
        *(f"data.split_files.{split}={write_list(folder / f'{split}.txt', one)}" for split, one in lists.items()),
        f"training.seed={seed}",
        f"training.epoch_images={args.steps * 8 // args.epochs}",
        f"training.epochs={args.epochs}",
        f"training.val_interval={args.epochs}",
        "training.batch_size=8",
        "training.monitor=mAP_50",
        "training.val_loss=false",
        "training.early_stopping.enabled=false",
        "data.num_workers=0",
        "evaluation.resamples=0",
        "evaluation.report=false",
        f"logging.log_dir={folder}/run",
        f"logging.checkpoint_dir={folder}/run",
        *args.set,
    ]
    proposal = anomdet.propose_settings(args.data, overrides, device="cpu")
    return dict(proposal.settings.model_dump(mode="json"))


def choose(args: argparse.Namespace, folder: Path, labelled: list[str], free: list[str], budget: int) -> list[str]:
    """The next images by the detector in ``folder``, whose training they follow."""
    work = folder / "choice"
    shutil.rmtree(work, ignore_errors=True)
    link(args.data / "images", work / "labelled" / "images", labelled, "")
    link(args.data / "labels", work / "labelled" / "labels", labelled, ".txt")
    link(args.data / "images", work / "new", free, "")
    done = anomdet.choose_to_label(
        {"data": {"data_dir": str(work / "labelled")}},
        unlabelled=work / "new",
        budget=budget,
        out=work / "out",
        checkpoint=folder / "run" / "last.pth",
    )
    return [str(row["image"]) for row in done.rows]


def link(source: Path, target: Path, names: list[str], suffix: str) -> None:
    for name in names:
        own = Path(name).with_suffix(suffix) if suffix else Path(name)
        (target / own).parent.mkdir(parents=True, exist_ok=True)
        (target / own).symlink_to((source / own).resolve())


def curve(args: argparse.Namespace, names: list[str], way: str, seed: int) -> None:
    """All rounds of one way and seed."""
    order = np.random.default_rng(seed).permutation(len(names)).tolist()
    shuffled = [names[at] for at in order]  # by chance: the next ones of these
    counts = counts_of(args, len(names))
    labelled = names if way == "all" else shuffled[: counts[0]]
    before = None
    for at, count in enumerate(counts):
        folder = args.out / str(seed) / folder_of(way, at, count)
        found = train(args, folder, sorted(labelled), seed, before)
        print(f"seed {seed}  {way}  {json.dumps(found)}", flush=True)
        if count == counts[-1] or (way == "all" and not args.go_on):
            return
        before = folder
        labelled = names if way == "all" else grown(args, folder, labelled, shuffled, way, counts[at + 1])


def folder_of(way: str, at: int, count: int) -> str:
    first = "all" if way == "all" else "first"
    return f"{way}_{count}" if at else first


def grown(
    args: argparse.Namespace, folder: Path, labelled: list[str], shuffled: list[str], way: str, count: int
) -> list[str]:
    """The labelled images of the next round; where too few can be chosen, the rest by chance."""
    free = [name for name in shuffled if name not in set(labelled)]
    wanted = count - len(labelled)
    if way == "random":
        return [*labelled, *free[:wanted]]
    listed = folder / "next.txt"
    if not listed.is_file():
        started = time.process_time()
        write_list(listed, choose(args, folder, labelled, free, wanted))
        print(f"chosen in {time.process_time() - started:.0f} s", flush=True)
    chosen = read_list(listed)
    if len(chosen) < wanted:
        print(f"only {len(chosen)} of {wanted} could be chosen, the rest by chance", flush=True)
    rest = [name for name in free if name not in set(chosen)]
    return [*labelled, *chosen, *rest[: wanted - len(chosen)]]


def counts_of(args: argparse.Namespace, total: int) -> list[int]:
    shares = np.arange(args.start, args.most + 1e-9, args.step)
    return [round(share * total) for share in shares.tolist()]


def table(args: argparse.Namespace, total: int) -> str:
    """Markdown: a row for each round that all seeds have done."""
    lines = [
        f"{args.data.name}, {total} images to label from, val list of {len(read_list(args.val))}; "
        f"{args.steps} steps {'a round' if args.go_on else 'a training'}; "
        f"{platform.processor() or platform.machine()}, {datetime.datetime.now(datetime.UTC).date()}; "
        f"seeds {', '.join(map(str, args.seeds))}",
        "",
        "| images | share | chosen: mAP_50 | boxes | random: mAP_50 | boxes | chosen - random | all: mAP_50 | boxes |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    reached: dict[str, float] = {}
    for at, count in enumerate(counts_of(args, total)):
        rows = {way: found_in(args, folder_of(way, at, count)) for way in WAYS}
        rows["all"] = found_in(args, folder_of("all", at if args.go_on else 0, count))
        if not all(rows.values()):
            continue
        scores = {way: [one["mAP_50"] for one in found] for way, found in rows.items()}
        boxes = {way: f"{statistics.fmean(one['boxes'] for one in found):.0f}" for way, found in rows.items()}
        cells = [str(count), f"{count / total:.0%}"]
        for way in WAYS:
            cells += [spread(scores[way]), boxes[way]]
            if statistics.fmean(scores[way]) >= statistics.fmean(scores["all"]) - NEAR:
                reached.setdefault(way, count / total)
        gaps = [one - two for one, two in zip(scores["chosen"], scores["random"], strict=True)]
        cells += [spread(gaps, "+.3f"), spread(scores["all"]), boxes["all"]]
        lines.append("| " + " | ".join(cells) + " |")
    for way in WAYS:
        share = f"at {reached[way]:.0%} of the images" if way in reached else "not reached"
        lines.append(f"\n{way}: mAP_50 of all labels minus {NEAR}: {share}")
    return "\n".join(lines) + "\n"


def found_in(args: argparse.Namespace, name: str) -> list[dict[str, Any]]:
    """The figures of each seed; empty where one is missing."""
    paths = [args.out / str(seed) / name / "figures.json" for seed in args.seeds]
    if not all(path.is_file() for path in paths):
        return []
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def spread(values: list[float], form: str = ".3f") -> str:
    several = f" ({min(values):{form}} to {max(values):{form}})" if len(values) > 1 else ""
    return f"{statistics.fmean(values):{form}}{several}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder that holds images/ and labels/")
    parser.add_argument("--train", type=Path, required=True, help="the list to label from; all of it has labels")
    parser.add_argument("--val", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=450, help="of each training, of 8 images: its time")
    parser.add_argument("--epochs", type=int, default=4, help="parts of a training, for its log alone")
    parser.add_argument("--start", type=float, default=0.1, help="share of the images that is labelled at first")
    parser.add_argument("--step", type=float, default=0.05, help="share that is labelled in each round")
    parser.add_argument("--most", type=float, default=0.6, help="share of the last round")
    parser.add_argument("--go-on", action="store_true", help="each round goes on from the weights of the one before")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--ways", nargs="*", choices=(*WAYS, "all"), default=["all", *WAYS])
    parser.add_argument("--set", nargs="*", default=[], help="further settings, key=value")
    args = parser.parse_args()
    names = read_list(args.train)[1:]  # the first is a test list, which a run wants
    for seed in args.seeds:
        for way in args.ways:
            curve(args, names, way, seed)
    text = table(args, len(names))
    (args.out / "table.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
