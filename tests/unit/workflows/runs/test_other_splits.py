"""What an evaluation on other splits than the run's says: how many images it learned from, and how to measure anew."""

import hashlib

from anomdet.workflows.runs.other_splits import advice


def test_images_that_were_trained_on_are_counted_and_the_lists_named(tmp_path):
    (tmp_path / "splits").mkdir()
    texts = {"train": "a.png\nsub/b.png\nc.png", "val": "d.png", "test": "e.png"}
    for split, text in texts.items():
        (tmp_path / f"splits/{split}.txt").write_text(text + "\n")
    hashes = {split: hashlib.sha256(text.encode()).hexdigest() for split, text in texts.items()}
    found = advice(tmp_path, hashes, ["c.png", "e.png", "sub/b.png", "new.png"])
    assert found.startswith(
        f"2 of these 4 images are in {tmp_path}/splits/train.txt; to measure on images that it has "
    )
    assert f"add data.split.by=files 'data.split_files={{train: {tmp_path}/splits/train.txt, val: " in found
    assert advice(tmp_path, hashes | {"val": "0"}, ["a.png"]) == ""  # the lists of another run
    assert advice(tmp_path / "gone", hashes, ["a.png"]) == ""
