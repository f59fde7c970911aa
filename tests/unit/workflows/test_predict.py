"""predict as a library, with a detector that needs no network."""

from __future__ import annotations

import csv
import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from anomdet.anomalies import Anomaly
from anomdet.data.labels import parse_labels
from anomdet.errors import UserError
from anomdet.formats import coco
from anomdet.formats.dataset import Findings
from anomdet.formats.dataset import Source as FormatSource
from anomdet.inference.arrivals import Patience
from anomdet.inference.outcome import outcome_from_dict
from anomdet.run_lock import one_run_in
from anomdet.workflows.predict import predict
from anomdet.workflows.predictions.job import PredictJob
from tests.unit.inference.fake_detector import FakeDetector, image_bytes


@pytest.fixture
def job(tmp_path: Path) -> PredictJob:
    """Ten images of scores 0 to 0.9, two of each part, with one that is cut off."""
    folder = tmp_path / "parts"
    (folder / "sub").mkdir(parents=True)
    for number in range(10):
        path = folder / ("sub" if number % 2 else "") / f"p{number // 2}_{number}.png"
        path.write_bytes(image_bytes(number / 10))
    (folder / "p1_cut.png").write_bytes(image_bytes(0.9)[:-5])
    return PredictJob(FakeDetector(), (folder,), out=tmp_path / "out", batch_size=4)


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def out(job: PredictJob) -> Path:
    assert job.out is not None
    return job.out


def test_a_line_an_image_in_order_and_a_failure_is_no_accept(job: PredictJob) -> None:
    done = predict(job)
    assert dict(done.verdicts) == {"accept": 5, "reject": 5, "failed": 1}
    assert done.failures == ((str(job.sources[0] / "p1_cut.png"), "a truncated PNG (no end chunk)"),)
    assert (done.exit_code, done.num_images) == (3, 11)
    found = lines(out(job))
    assert [line["key"] for line in found] == [
        *("p0_0.png", "p1_2.png", "p1_cut.png", "p2_4.png", "p3_6.png", "p4_8.png"),
        *("sub/p0_1.png", "sub/p1_3.png", "sub/p2_5.png", "sub/p3_7.png", "sub/p4_9.png"),
    ]
    assert [line["verdict"] for line in found[:6]] == ["accept", "accept", "failed", "accept", "reject", "reject"]
    assert all(outcome_from_dict(line).verdict == line["verdict"] for line in found)
    assert "p1_cut.png: a truncated PNG" in done.table
    assert "images: 5 accept, 5 reject, 1 failed" in done.table


def test_warnings_of_results_are_reported_at_the_end(job: PredictJob, caplog: pytest.LogCaptureFixture) -> None:
    class Warns(FakeDetector):
        def run(self, prepared: Any, *, min_score: float | None = None, most: int | None = None) -> Any:
            found = super().run(prepared, min_score=min_score)
            return [replace(one, warnings=("of 5 px",)) if one.part_score > 0.75 else one for one in found]

    with caplog.at_level(logging.WARNING, "anomdet"):
        predict(replace(job, model=Warns()))
    said = [record.message for record in caplog.records]
    assert said == [f"the results of 2 images have warnings; {job.sources[0] / 'p4_8.png'}: of 5 px"]


def test_images_of_other_bits_say_so_in_each_of_their_results(tmp_path: Path) -> None:
    """One line of the log, for the first of them, is not seen by who reads the results."""
    for name, largest in (("a", 4000), ("b", 60000), ("c", 4095)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((16, 16), largest, np.uint16))
    predict(PredictJob(FakeDetector(), (tmp_path,), out=tmp_path.parent / "out"))
    found = lines(tmp_path.parent / "out")
    assert [len(line["warnings"]) for line in found] == [1, 0, 1]
    assert found[2]["warnings"][0].startswith("values up to 4,095 of 65,535, as of a camera of 12 bits")
    with (tmp_path.parent / "out/results.csv").open() as file:
        said = [row["warnings"][:18] for row in csv.DictReader(file)]
    assert said == ["values up to 4,000", "", "values up to 4,095"]


def test_the_table_holds_the_same(job: PredictJob) -> None:
    predict(job)
    with (out(job) / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == [line["image"] for line in lines(out(job))]
    assert [row["verdict"] for row in rows] == [line["verdict"] for line in lines(out(job))]
    assert (rows[2]["part_score"], rows[2]["num_detections"]) == ("", "")  # failed: not even a 0
    assert (rows[4]["num_detections"], rows[4]["classes"], rows[4]["width"]) == ("1", "1 scratch", "16")


def test_a_name_that_a_spreadsheet_would_run_is_quoted(tmp_path: Path) -> None:
    (tmp_path / "=cmd.png").write_bytes(image_bytes(0.5))
    predict(PredictJob(FakeDetector(), (tmp_path / "=cmd.png",), out=tmp_path / "out", group_by="^(.*)$"))
    for name in ("results.csv", "parts.csv"):
        cells = [cell for row in csv.reader((tmp_path / "out" / name).read_text().splitlines()) for cell in row]
        assert not [cell for cell in cells if cell.startswith("=")]


def test_labels_are_the_owners_format_and_a_failed_image_has_none(job: PredictJob) -> None:
    predict(replace(job, save=("labels",)))
    folder = out(job) / "labels"
    found = {str(path.relative_to(folder)): parse_labels(path) for path in folder.rglob("*.txt")}
    assert len(found) == 10
    assert "p1_cut.txt" not in found
    assert all(not problems for _, problems in found.values())
    assert len(found["p0_0.txt"][0]) == 0  # accepted: an empty file
    rejected = found["sub/p3_7.txt"][0]
    assert rejected.class_nums.tolist() == [-3]
    assert rejected.bboxes_xyxy.tolist() == [[1, 2, 5, 6]]


def test_coco_is_read_back_and_without_failed_images(job: PredictJob) -> None:
    predict(replace(job, save=("coco",)))
    findings = Findings()
    dataset = coco.read(FormatSource(out(job) / "coco.json", job.sources[0], findings))
    assert not findings.problems
    assert len(dataset.pictures) == 10
    assert {picture.file_name: len(picture.boxes) for picture in dataset.pictures}["sub/p3_7.png"] == 1
    assert dataset.names == {-3: "scratch", 7: "dent"}
    content = json.loads((out(job) / "coco.json").read_text())
    assert [row["score"] for row in content["annotations"]] == pytest.approx([0.6, 0.8, 0.5, 0.7, 0.9], abs=0.01)


def test_what_is_rejected_without_a_box_is_no_normal_image_of_coco(job: PredictJob) -> None:
    """As unknown, by the normal-only score: without annotations it would be one."""

    class Unknown(FakeDetector):
        def run(self, prepared: Any, *, min_score: float | None = None, most: int | None = None) -> Any:
            found = super().run(prepared, min_score=min_score)
            unlike = Anomaly(3.0, 1.0, 0.0)
            return [replace(one, verdict="reject", anomaly=unlike) if one.part_score < 0.15 else one for one in found]

    done = predict(replace(job, model=Unknown(), save=("coco", "labels")))
    assert dict(done.verdicts) == {"accept": 3, "reject": 7, "failed": 1}
    named = {image["file_name"] for image in json.loads((out(job) / "coco.json").read_text())["images"]}
    left_out = {"p0_0.png", "sub/p0_1.png", "p1_cut.png"}
    assert named == {line["key"] for line in lines(out(job))} - left_out
    assert len([path for path in contents(out(job)) if path.startswith("labels/")]) == 8


def test_crops_and_pictures(job: PredictJob) -> None:
    from anomdet.images.decode import read_image

    predict(replace(job, save=("crops", "pictures")))
    crops = sorted(path.name for path in (out(job) / "crops").rglob("*.png"))
    assert crops == [f"p{number // 2}_{number}_00_class-3.png" for number in range(5, 10)]
    assert read_image(out(job) / "crops" / "p3_6_00_class-3.png").shape == (4, 4, 3)
    pictures = {path.name: read_image(path) for path in (out(job) / "pictures").rglob("*.jpg")}
    assert len(pictures) == 10
    assert (pictures["p0_0.jpg"][2, -2] - pictures["p3_6.jpg"][2, -2]).any()  # the bar of an accept and of a reject
    assert pictures["p0_0.jpg"].shape[0] > pictures["p0_0.jpg"].shape[1]  # above the square image, not over it


@pytest.mark.parametrize("letter", ["n", "\N{CYRILLIC SMALL LETTER ZHE}"])
def test_files_of_images_with_long_names(job: PredictJob, letter: str, caplog: pytest.LogCaptureFixture) -> None:
    """A name may have 255 bytes; what stands behind it in a crop's would be too much, and ended the job."""
    stem, folder = letter * (250 // len(letter.encode())), job.sources[0]
    for end in ("1", "2"):
        (folder / f"{stem[:-1]}{end}.png").write_bytes(image_bytes(0.9))
    every = replace(job, save=("crops", "pictures", "labels"))
    with caplog.at_level(logging.WARNING, "anomdet"):
        assert dict(predict(every).verdicts) == {"accept": 5, "reject": 7, "failed": 1}
    assert caplog.text.count("too long a name") == 1
    crops = [path for path in (out(job) / "crops").glob("*.png") if path.name.startswith(letter)]
    assert len(crops) == 2 and all(len(path.name.encode()) <= 255 for path in crops)
    assert {path.stem for path in (out(job) / "labels").glob(f"{letter}*")} == {f"{stem[:-1]}1", f"{stem[:-1]}2"}
    assert len(list((out(job) / "pictures").glob(f"{letter}*"))) == 2
    (folder / f"{stem[:-1]}2.png").write_bytes(image_bytes(0.1) + b" ")  # accepted now: its crop is another part's
    predict(replace(every, skip_done=True))
    assert len([path for path in (out(job) / "crops").glob("*.png") if path.name.startswith(letter)]) == 1


def test_one_verdict_a_part(job: PredictJob) -> None:
    done = predict(replace(job, group_by=r"p(\d)"))
    assert dict(done.part_verdicts) == {"accept": 1, "undecided": 1, "reject": 3}
    rows = list(csv.DictReader((out(job) / "parts.csv").read_text().splitlines()))
    assert {row["part"]: row["verdict"] for row in rows} == {
        "0": "accept",
        "1": "undecided",
        "2": "reject",
        "3": "reject",
        "4": "reject",
    }
    assert {line["part"] for line in lines(out(job))} == set("01234")


@pytest.mark.parametrize(
    ("changes", "code"),
    [({}, 0), ({"fail_on": "reject"}, 1), ({"fail_on": "reject", "threshold": 0.99}, 0), ({"threshold": 0.05}, 0)],
)
def test_exit_codes(job: PredictJob, changes: dict[str, Any], code: int) -> None:
    (job.sources[0] / "p1_cut.png").unlink()
    assert predict(replace(job, **changes)).exit_code == code


def test_another_threshold_and_detections_below_it(job: PredictJob) -> None:
    done = predict(replace(job, threshold=0.85, min_score=0.45))
    assert done.verdicts["reject"] == 1
    found = {line["key"]: line for line in lines(out(job))}
    assert [row["counted"] for row in found["p3_6.png"]["detections"]] == [False]
    assert found["p3_6.png"]["threshold"] == 0.85
    assert found["p3_6.png"]["verdict"] == "accept"
    assert done.classes == {"scratch": 1}


def test_lines_only(job: PredictJob) -> None:
    found: list[str] = []
    done = predict(replace(job, out=None), emit=found.append)
    assert [json.loads(line)["verdict"] for line in found].count("reject") == 5
    assert done.written == []
    assert not out(job).exists()


def test_progress(job: PredictJob) -> None:
    seen: list[tuple[int, int | None]] = []
    predict(job, on_progress=lambda progress: seen.append((progress.num_images, progress.total)))
    assert seen == [(4, 11), (8, 11), (11, 11)]


def test_earlier_results_are_moved_aside(job: PredictJob, caplog: pytest.LogCaptureFixture) -> None:
    predict(replace(job, save=("json", "labels")))
    before = contents(out(job))
    predict(job)
    (kept,) = (out(job) / "previous").iterdir()
    assert contents(kept) == before


@pytest.mark.parametrize("name", ["parts", "parts/out", ".", "parts/sub", "model"])
def test_nothing_is_written_in_at_or_around_the_sources(job: PredictJob, name: str, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "best_model.pth").write_text("")
    before = contents(tmp_path)
    with pytest.raises(UserError, match=r"--out .*: expected a|--out: expected an empty"):
        predict(replace(job, out=tmp_path / name))
    assert contents(tmp_path) == before


def test_a_folder_of_somebody_else_is_left_alone(job: PredictJob) -> None:
    """Labels of a person in a folder called ``labels`` would be moved away otherwise."""
    (out(job) / "labels").mkdir(parents=True)
    (out(job) / "labels" / "x.txt").write_text("1 2 3 4 5\n")
    with pytest.raises(UserError, match="an empty or new folder"):
        predict(job)
    assert contents(out(job)) == {"labels/x.txt": b"1 2 3 4 5\n"}


def test_no_images_on_the_stream(job: PredictJob) -> None:
    with pytest.raises(UserError, match="at least one image"):
        predict(replace(job, sources=("-",)), stdin=iter([]))


def test_images_that_would_share_a_label_file_are_refused(job: PredictJob) -> None:
    (job.sources[0] / "p0_0.jpg").write_bytes(image_bytes(0.5, ".jpg"))
    with pytest.raises(UserError, match=r"2 that share one: p0_0\.jpg, p0_0\.png"):
        predict(replace(job, save=("labels",)))
    predict(replace(job, save=("json",)))


def test_of_names_that_come_one_by_one_no_label_file_is_overwritten(
    job: PredictJob, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody can look through them beforehand; the second keeps its suffix, also when the job is continued."""
    folder = job.sources[0]
    (folder / "p0_0.jpg").write_bytes(image_bytes(0.9, ".jpg"))
    (folder / "p4_8.jpg").write_bytes(image_bytes(0.9, ".jpg"))
    names = [str(folder / name) for name in ("p0_0.png", "p0_0.jpg", "p4_8.png", "p0_0.png")]
    listed = replace(job, sources=("-",), save=("labels",))
    with caplog.at_level("WARNING", "anomdet"):
        predict(listed, stdin=names)
        predict(replace(listed, skip_done=True), stdin=[str(folder / "p4_8.jpg")])
    labels = {path.name: path.read_text() != "" for path in (out(job) / "labels").rglob("*.txt")}
    assert labels == {"p0_0.txt": False, "p0_0.jpg.txt": True, "p4_8.txt": True, "p4_8.jpg.txt": True}
    said = [record.message.partition(" are called")[0] for record in caplog.records]
    assert [Path(message).name for message in said] == ["p0_0.jpg", "p4_8.jpg"]


def test_names_without_a_part_are_refused_before_anything_is_judged(job: PredictJob) -> None:
    with pytest.raises(UserError, match=r"10 of 11 names that 'cut' does not match"):
        predict(replace(job, group_by="cut"))
    assert not out(job).exists()


class Interrupted(FakeDetector):
    """Ctrl-C comes in the third batch."""

    def run(self, prepared: Any, *, min_score: float | None = None, most: int | None = None) -> Any:
        if len(self.batches) == 2:
            raise KeyboardInterrupt
        return super().run(prepared, min_score=min_score)


def test_an_interrupted_job_is_continued(job: PredictJob) -> None:
    """The same files as without a break; nothing is judged twice; what failed is tried again."""
    full = replace(job, save=("json", "csv", "coco", "labels"), batch_size=3)
    with pytest.raises(
        KeyboardInterrupt, match=r"interrupted; 6 images are done in .*out; continue with .*--skip-done"
    ):
        predict(replace(full, model=Interrupted()))
    assert len(lines(out(job))) == 6
    (job.sources[0] / "p1_cut.png").write_bytes(image_bytes(0.9))  # repaired in the meantime
    detector = FakeDetector()
    done = predict(replace(full, model=detector, skip_done=True))
    assert sum(detector.batches) == 11 - 5
    assert dict(done.verdicts) == {"accept": 5, "reject": 6}
    whole = replace(full, out=out(job).with_name("whole"))
    predict(whole)
    continued, straight = contents(out(job)), contents(out(whole))
    assert continued.keys() == straight.keys()
    for name in continued.keys() - {"results.jsonl", "predict.json"}:  # times differ
        assert continued[name] == straight[name], name
    without_times = [[{**line, "times": None} for line in lines(folder)] for folder in (out(job), out(whole))]
    assert without_times[0] == without_times[1]


def test_another_image_of_a_name_is_judged_again(job: PredictJob, caplog: pytest.LogCaptureFixture) -> None:
    """The next part of a camera that counts from 1, or another folder: the verdict before is of another part."""
    every = replace(job, save=("json", "labels", "crops"))
    predict(every)
    folder = job.sources[0]
    (folder / "p0_0.png").write_bytes(image_bytes(0.9))  # accepted before
    (folder / "p4_8.png").write_bytes(image_bytes(0.1)[:-5])  # rejected before, cannot be read now
    (folder / "p3_6.png").unlink()
    detector = FakeDetector()
    with caplog.at_level(logging.WARNING):
        done = predict(replace(every, model=detector, skip_done=True))
    assert sum(detector.batches) == 1
    verdicts = {line["key"]: line["verdict"] for line in lines(out(job))}
    assert (verdicts["p0_0.png"], verdicts["p4_8.png"], verdicts["p3_6.png"]) == ("reject", "failed", "reject")
    assert dict(done.verdicts) == {"accept": 4, "reject": 5, "failed": 2}
    assert "2 images changed since the earlier job, or it did not note" in caplog.text
    assert "the results of 1 image that the sources do not hold now are kept" in caplog.text
    files = {name for name in contents(out(job)) if "p4_8" in name or "p0_0" in name}
    assert files == {"labels/p0_0.txt", "crops/p0_0_00_class-3.png"}  # a failed image has none


def test_the_folder_of_crops_is_never_listed(job: PredictJob, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 100,000 images that changed, a listing each would take hours."""
    from anomdet.workflows.predictions import files as predict_files

    every = replace(job, save=("json", "crops"))
    predict(every)
    for path in job.sources[0].rglob("p*_?.png"):
        path.write_bytes(image_bytes(0.1) + b" ")
    listed: list[str] = []
    listdir = predict_files.os.listdir
    monkeypatch.setattr(predict_files.os, "listdir", lambda folder: listed.append(str(folder)) or listdir(folder))
    predict(replace(every, skip_done=True))
    crops = out(job) / "crops"
    assert not any(path.is_file() for path in crops.rglob("*"))
    assert not [folder for folder in listed if folder.startswith(str(crops))]


def test_two_jobs_do_not_write_into_one_folder(job: PredictJob) -> None:
    """The second would move the results of the first aside, whose tables would then be of the second's lines."""
    predict(job)
    before = contents(out(job))
    with one_run_in({"--out": out(job)}), pytest.raises(UserError, match="--out: expected a folder that no other run"):
        predict(job)
    assert contents(out(job)) == before
    (out(job) / "predict.json").unlink()
    for path in out(job).iterdir():
        path.unlink()
    (out(job) / ".anomdet.lock").touch()  # a job was killed before it wrote anything else
    assert predict(job).num_images == 11


def test_another_process_judges_nothing_again(job: PredictJob, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under torchrun, of which the first process alone looks for an earlier job."""
    predict(job)
    monkeypatch.setattr("anomdet.workflows.predictions.run.after_main", lambda _task, _do: None)
    for name, value in (("RANK", "1"), ("WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    assert predict(replace(job, skip_done=True)).num_images == 0
    assert predict(job).num_images == 5


@pytest.mark.parametrize("cut", [1, 40])
def test_a_line_that_a_kill_cut_off_is_judged_again(job: PredictJob, cut: int) -> None:
    predict(job)
    path = out(job) / "results.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    detector = FakeDetector()
    predict(replace(job, model=detector, skip_done=True))
    assert sum(detector.batches) == 1  # the last; the failed one never reaches the network
    assert len(lines(out(job))) == 11


def test_a_damaged_journal_is_reported(job: PredictJob) -> None:
    predict(job)
    path = out(job) / "results.jsonl"
    path.write_text(path.read_text().replace('{"key": "p3_6.png"', "garbage", 1))
    with pytest.raises(UserError, match=r"results\.jsonl:5: expected a result that AnomDet wrote"):
        predict(replace(job, skip_done=True))


def test_another_job_is_not_continued(job: PredictJob) -> None:
    predict(job)
    before = contents(out(job))
    with pytest.raises(UserError, match=r"threshold 0\.7, as now, got 0\.5"):
        predict(replace(job, threshold=0.7, skip_done=True))
    with pytest.raises(UserError, match="model_sha256"):
        predict(replace(job, model=FakeDetector(sha256="other"), skip_done=True))
    assert contents(out(job)) == before


def test_a_job_with_other_parts_or_files_is_not_continued(job: PredictJob) -> None:
    """A part would be accepted without its image that was rejected before, and an image would lack its label file."""
    predict(job)
    before = contents(out(job))
    with pytest.raises(UserError, match=r"group_by p\(\\d\), as now, got None"):
        predict(replace(job, group_by=r"p(\d)", skip_done=True))
    with pytest.raises(UserError, match=r"save labels, as now, got without files of images"):
        predict(replace(job, save=("json", "labels"), skip_done=True))
    assert contents(out(job)) == before
    predict(replace(job, save=("json", "coco"), skip_done=True))  # made of the lines, at the end
    assert (out(job) / "coco.json").is_file()


@pytest.mark.slow
def test_watched_files_are_judged_once_over_restarts(job: PredictJob) -> None:
    watching = replace(job, watch=True, patience=Patience(0.02, 0.05, 0.3, idle_s=0.3))
    assert dict(predict(watching).verdicts) == {"accept": 5, "reject": 5, "failed": 1}
    (job.sources[0] / "late.png").write_bytes(image_bytes(0.9))
    detector = FakeDetector()
    again = predict(replace(watching, model=detector))
    assert detector.batches == [1]
    assert dict(again.verdicts) == {"accept": 5, "reject": 6, "failed": 1}
    found = lines(out(job))
    assert len({line["key"] for line in found}) == len(found) == 12
    assert all(line["stamp"] for line in found)


def test_a_watched_file_that_changes_keeps_no_file_of_before(job: PredictJob) -> None:
    """A camera that writes one name again and again: the crops of the part before are not of this one."""
    patience = Patience(0.02, 0.05, 0.3, idle_s=0.3)
    watching = replace(job, watch=True, patience=patience, save=("json", "labels", "crops"))
    predict(watching)
    assert (out(job) / "crops/p4_8_00_class-3.png").is_file()
    (job.sources[0] / "p4_8.png").write_bytes(image_bytes(0.1) + b" ")  # accepted now
    (job.sources[0] / "sub/p4_9.png").write_bytes(image_bytes(0.9)[:-5])  # cannot be read now
    assert dict(predict(watching).verdicts) == {"accept": 6, "reject": 5, "failed": 2}
    assert not list((out(job) / "crops").rglob("p4_*"))
    assert [path.name for path in (out(job) / "labels").rglob("p4_*")] == ["p4_8.txt"]


def test_the_end_of_a_watch_leaves_its_tables(job: PredictJob) -> None:
    patience = Patience(0.02, 0.05, 0.3)
    with pytest.raises(KeyboardInterrupt, match=r"continue with the same call$"):
        predict(replace(job, model=Interrupted(), watch=True, patience=patience))
    with (out(job) / "results.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(lines(out(job))) > 0


def test_names_on_a_stream_without_a_part_are_reported(job: PredictJob, caplog: pytest.LogCaptureFixture) -> None:
    names = [str(job.sources[0] / name) for name in ("p0_0.png", "p1_2.png", "sub/p1_3.png")]
    done = predict(replace(job, sources=("-",), group_by=r"p(1)"), stdin=iter(names))
    assert "1 names have no part in them" in caplog.text
    assert dict(done.part_verdicts) == {"accept": 2}


def test_an_empty_folder_may_be_watched(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    patience = Patience(0.02, 0.05, 0.3, idle_s=0.1)
    done = predict(PredictJob(FakeDetector(), (tmp_path / "in",), out=tmp_path / "out", watch=True, patience=patience))
    assert (done.num_images, done.exit_code) == (0, 0)


def test_all_problems_of_the_options_and_sources_at_once(tmp_path: Path) -> None:
    job = PredictJob(
        tmp_path / "gone.pth",
        (tmp_path / "x.png", tmp_path / "y.png"),
        save=("jsn", "labels"),
        threshold=2,
        min_score=-1,
        group_by="(",
        batch_size="many",
        fail_on="accept",
        patience=Patience(idle_s=3),
    )
    with pytest.raises(UserError) as refused:
        predict(job)
    assert len(refused.value.problems) == 10


def test_it_says_what_it_left_out(job: PredictJob, caplog: pytest.LogCaptureFixture) -> None:
    (job.sources[0] / "notes.md").write_text("x")
    (job.sources[0] / "film.mp4").write_text("x")
    (job.sources[0] / "more.md").write_text("x")
    caplog.set_level(logging.INFO, logger="anomdet")
    predict(job)
    assert "left out, by their names no images: 2 .md, 1 .mp4" in caplog.text


def test_one_source_and_texts_are_taken_as_they_are_written() -> None:
    job = PredictJob("best_model.pth", "images", out="found", save="json, csv")  # type: ignore[arg-type]
    assert (job.sources, job.out, job.kinds) == (("images",), Path("found"), ("json", "csv"))
    assert PredictJob("best_model.pth", Path("images")).sources == (Path("images"),)  # type: ignore[arg-type]
    assert PredictJob("best_model.pth", ["a", "b"]).sources == ("a", "b")  # type: ignore[arg-type]


def test_a_jpeg_that_is_damaged_inside_is_no_good_part(tmp_path: Path) -> None:
    """It decodes, with grey in the place of what is missing."""
    noise = np.random.default_rng(0).integers(0, 40, (320, 320, 3), dtype=np.uint8)
    data = cv2.imencode(".jpg", noise)[1].tobytes()
    (tmp_path / "a.jpg").write_bytes(data)
    (tmp_path / "b.jpg").write_bytes(data[:9000] + bytes(600) + data[9600:])
    (tmp_path / "c.jpg").write_bytes(data[:-2] + b"\x12\x34\x56" + data[-2:])
    done = predict(PredictJob(FakeDetector(), (tmp_path,), out=tmp_path.parent / "out"))
    assert dict(done.verdicts) == {"accept": 2, "failed": 1} and done.exit_code == 3
    found = lines(tmp_path.parent / "out")
    assert "JPEG" in found[1]["error"] and [len(found[at]["warnings"]) for at in (0, 2)] == [0, 1]
