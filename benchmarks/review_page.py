"""How quick is a review beside its detectors: to find and rank the suspects, to write the page, to open and decide?

    OMP_NUM_THREADS=1 python benchmarks/review_page.py --sizes 1000 10000

The labels of N images (0 to 8 boxes each) are compared with predictions that were drawn beside them: most boxes found,
some classes confused, some boxes elsewhere, two false alarms an image. The page of the suspects is opened from the disk
in headless Chromium: until its first image is drawn, and from a key to the next image.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from pathlib import Path

import numpy as np
from browse_page import open_browser
from check import make_data
from selenium import webdriver

from anomdet.boxes import xyxy_to_xywh
from anomdet.data.index.scan import DataIndex, scan
from anomdet.evaluation.results import Results, make_ground_truth, make_predictions
from anomdet.quality.review.errors import find_label_errors
from anomdet.quality.review.record import to_document
from anomdet.workflows.reviews.page import write_review_page

WAIT = """
const [key, done] = arguments, start = performance.now(), place = () => document.querySelector("#place")?.textContent;
const before = key ? place() : "";
if (key) document.body.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
const look = () => {
  const image = document.querySelector("#stage svg image");
  if (place() !== before && image) image.decode().then(() => done(performance.now() - start));
  else requestAnimationFrame(look);
};
look();
"""


def drawn_results(index: DataIndex) -> Results:
    """The labels, and predictions as a fair detector makes them."""
    columns, rng = index.columns, np.random.default_rng(0)
    image = np.repeat(np.arange(len(columns.sizes_hw)), np.diff(columns.box_starts))
    classes = np.array(sorted(index.class_nums))
    label, boxes = np.searchsorted(classes, columns.class_nums), xyxy_to_xywh(columns.bboxes_xyxy.astype(np.float64))
    found = np.flatnonzero(rng.random(len(image)) < 0.9)
    seen = np.where(rng.random(len(found)) < 0.02, (label[found] + 1) % len(classes), label[found])
    moved = boxes[found] + rng.normal(0, 0.08, (len(found), 4)) * np.tile(boxes[found, 2:], 2)
    at = np.sort(rng.integers(len(columns.sizes_hw), size=2 * len(columns.sizes_hw)))
    false = np.concatenate([rng.uniform(0, 100, (len(at), 2)), rng.uniform(10, 60, (len(at), 2))], axis=1)
    of_image = np.concatenate([image[found], at])
    order = np.argsort(of_image, kind="stable")
    pred = make_predictions(
        of_image[order],
        np.concatenate([seen, rng.integers(len(classes), size=len(at))])[order],
        np.maximum(np.concatenate([moved, false]), 1.0)[order],
        np.concatenate([rng.beta(6, 2, len(found)), rng.beta(2, 6, len(at))])[order],
    )
    names = list(columns.file_names())
    sizes_hw = columns.sizes_hw.astype(np.int64)
    gt = make_ground_truth(image, label, boxes)
    return Results(np.arange(len(names)), names, sizes_hw, classes, [str(one) for one in classes], gt, pred)


def measure(folder: Path, num_images: int, browser: webdriver.Chrome, repeats: int) -> None:
    data = make_data(folder / f"data_{num_images}", num_images)
    for at in range(0, num_images, 500):  # without the faults that make_data plants
        labels = data / "labels" / f"{at:07d}.txt"
        labels.write_text("".join(labels.read_text().splitlines(keepends=True)[:-1]))
    index = scan(data)
    results = drawn_results(index)
    start = time.process_time()
    errors = find_label_errors(results)
    scored = time.process_time() - start
    out = folder / f"review_{num_images}"
    out.mkdir()
    start = time.process_time()
    document = to_document(errors, {"review": "0123456789abcdef"})
    page = write_review_page(document, index, out)
    written = time.process_time() - start
    loads, steps = [], []
    for _ in range(repeats):
        browser.get("about:blank")
        start = time.perf_counter()
        browser.get(page.as_uri())
        browser.execute_async_script(WAIT, "")
        loads.append(1000 * (time.perf_counter() - start))
        steps += [browser.execute_async_script(WAIT, "a") for _ in range(5)]
    print(
        f"{num_images:>7,} images, {len(results.gt):,} labels, {len(results.pred):,} predictions: "
        f"{len(document['suspects']):,} suspects in {scored:.2f} s; page of {page.stat().st_size / 1e6:.1f} MB written "
        f"in {written:.2f} s, its first image after {min(loads):.0f} ms, the next after {np.median(steps):.0f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    load = "/".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {load}, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as name:
        browser = open_browser(Path(name) / "profile")
        try:
            for num_images in args.sizes:
                measure(Path(name), num_images, browser, args.repeats)
        finally:
            browser.quit()


if __name__ == "__main__":
    main()
