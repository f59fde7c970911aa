"""How quick is the browse page: to write, to load in a browser, to fill with thumbnails?

    OMP_NUM_THREADS=1 python benchmarks/browse_page.py
    OMP_NUM_THREADS=1 python benchmarks/browse_page.py --sizes 10000 100000 --data DIR

The page of N images (hard links to a few, labels with 0 to 8 boxes) is written without thumbnails and opened in
headless Chromium: until the first picture with boxes is there, and from a changed filter to the new grid. Thumbnails
of the images in --data (else of the demo data at 1280 x 960) are made by AnomDet and, in the same run, by Pillow with
its draft mode.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import PIL
from check import make_data
from PIL import Image, ImageOps
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

from anomdet.data.synth.generate import generate
from anomdet.quality.browse.thumbnails import THUMB_PX, make_pictures, plan_pictures
from anomdet.quality.check.check import Rules, check_data
from anomdet.workflows.browse_page import browse_page

SWITCHES = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
CLASSES = "data.classes={1: a, 2: b, 3: c, 4: d, 5: e, 6: f}"
MARK_FIRST_PICTURE = """
const look = () => {
  const image = document.querySelector(".cell img");
  if (image?.complete && image.naturalWidth && document.querySelector(".cell .boxes")) {
    window.firstPicture = performance.now();
  } else requestAnimationFrame(look);
};
addEventListener("DOMContentLoaded", () => { window.parsed = performance.now(); look(); });
"""
FILTER = """
const start = performance.now();
document.querySelector("input[name=classes]").click();
document.querySelector("#grid").getBoundingClientRect();
return performance.now() - start;
"""


def open_browser(folder: Path) -> webdriver.Chrome:
    """Headless Chromium with a profile of its own."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for switch in (*SWITCHES, f"--user-data-dir={folder}"):
        options.add_argument(switch)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": MARK_FIRST_PICTURE})
    return browser


def measure_page(folder: Path, num_images: int, browser: webdriver.Chrome, repeats: int) -> None:
    """Write, load and filter."""
    data = make_data(folder / f"data_{num_images}", num_images)
    config = folder / "run.yaml"
    config.write_text(f"data: {{data_dir: {data}}}\n")
    out = folder / f"page_{num_images}"
    for at in range(0, num_images, 500):  # without the faults that make_data plants: there would be no splits
        labels = data / "labels" / f"{at:07d}.txt"
        labels.write_text("".join(labels.read_text().splitlines(keepends=True)[:-1]))
    start = time.perf_counter()
    (page,) = browse_page(config, [CLASSES], out=out, limit=0)
    seconds = time.perf_counter() - start
    index_bytes = next(page.parent.glob("data/*/index.js")).stat().st_size
    all_bytes = sum(path.stat().st_size for path in page.parent.rglob("*.*") if path.is_file())
    loads, filters = [], []
    for _ in range(repeats):
        browser.get("about:blank")
        browser.get(page.as_uri())
        WebDriverWait(browser, 60).until(lambda one: one.execute_script("return window.firstPicture"))
        loads.append(browser.execute_script("return [window.parsed, window.firstPicture]"))
        filters.append(browser.execute_script(FILTER))
    parsed, first = (min(times) for times in zip(*loads, strict=True))
    nodes = browser.execute_script("return document.querySelectorAll('*').length")
    print(
        f"{num_images:>9,} images: written in {seconds:.1f} s; index {index_bytes / 1e6:.2f} MB, all "
        f"{all_bytes / 1e6:.1f} MB; loaded {parsed:.0f} ms, first picture {first:.0f} ms, a filter "
        f"{min(filters):.0f} ms, {nodes} elements"
    )


def measure_thumbnails(data: Path, repeats: int) -> None:
    """Ours against Pillow's, both in threads on all cores, alternating."""
    checked = check_data(data, Rules())
    files = [file for file in checked.files if file.header is not None]
    pictures = plan_pictures(files)
    places = [at for at, name in enumerate(pictures.thumbs) if name]

    def pillow(folder: Path, at: int) -> None:
        image = files[at].entry.image
        assert image is not None
        with Image.open(data / "images" / image.name) as picture:
            picture.draft("L" if picture.mode == "L" else "RGB", (THUMB_PX, THUMB_PX))
            small = ImageOps.exif_transpose(picture)
            small.thumbnail((THUMB_PX, THUMB_PX))
            small.save(folder / f"{at}.jpg", quality=80)

    ours, theirs = [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as name:
            start = time.perf_counter()
            assert not [
                reason for _, reason in make_pictures(data / "images", Path(name), files, pictures, places) if reason
            ]
            ours.append(time.perf_counter() - start)
        with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(os.cpu_count()) as pool:
            start = time.perf_counter()
            list(pool.map(lambda at, folder=Path(name): pillow(folder, at), places))
            theirs.append(time.perf_counter() - start)
    per = 1000 / len(places)
    print(
        f"thumbnails of {len(places):,} images: {min(ours) * per:.2f} s per 1,000; Pillow {PIL.__version__} "
        f"{min(theirs) * per:.2f} s; ratio {min(theirs) / min(ours):.2f}"
    )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_250, 10_000])
    parser.add_argument("--data", type=Path, help="a data folder for the thumbnails")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    load = "/".join(f"{value:.1f}" for value in os.getloadavg())
    versions = f"Python {platform.python_version()}, OpenCV {cv2.__version__}"
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {load}, {versions}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        browser = open_browser(folder / "profile")
        try:
            for num_images in args.sizes:
                measure_page(folder, num_images, browser, args.repeats)
        finally:
            browser.quit()
        data = args.data or generate(folder / "demo", num_images=200, size_hw=(960, 1280)).data_dir
        measure_thumbnails(data, args.repeats)


if __name__ == "__main__":
    main()
