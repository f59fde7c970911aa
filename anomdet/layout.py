"""Every file, folder and split name that AnomDet writes or looks for, once."""

from __future__ import annotations

# The splits, in the order in which they are shown.
TRAIN, VAL, TEST = "train", "val", "test"
SPLITS = (TRAIN, VAL, TEST)
# What other tools call them: the whole name of a folder, a list or a subset, in lower case.
SPLIT_OF = {
    "train": TRAIN,
    "training": TRAIN,
    "val": VAL,
    "valid": VAL,
    "validation": VAL,
    "test": TEST,
    "testing": TEST,
}

# A data folder, in the owner's format.
IMAGES_DIR, LABELS_DIR, SPLITS_DIR = "images", "labels", "splits"
CLASSES_FILE = "classes.yaml"
HARD_NORMALS = "hard_normals.txt"  # beside images/ and labels/: normal images on which a detector fires, confirmed

# Folders that systems and network disks keep for themselves, in lower case: thumbnails, deleted files, snapshots. As
# hidden ones, they are never looked into: their images are others once more.
SYSTEM_FOLDERS = frozenset(
    {
        *("__macosx", "$recycle.bin", "recycler", "system volume information", "lost+found"),
        *("@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "~snapshot"),
    }
)

# checkpoint_dir
BEST, LAST = "best_model.pth", "last.pth"
CHECKPOINTS = (BEST, LAST)

# log_dir
TRAINING_LOG, EVALUATION_LOG = "training.log", "evaluation.log"
SETTINGS, CONFIG = "settings.yaml", "config.py"
EVALUATION_DIR, VISUALIZATION_DIR = "evaluation", "visualization"
TILE_MAP = "tile_map.json"  # beside images/ and labels/ of tiles
UNTILED_DIR = "untiled"  # below an evaluation on tiles: the same on whole images
SPLIT_LISTS = tuple(f"{SPLITS_DIR}/{split}.txt" for split in SPLITS)
SPLIT_RECORD = "splits.json"  # in SPLITS_DIR, beside one list a split
SCALARS = "scalars.json"  # MMEngine's form: one JSON object a line
TRAINING_CSV = "training.csv"  # the same by epoch
VIS_IMAGE, VIS_DATA = "vis_image", "vis_data"  # what MMDetection's hooks draw and MMEngine's backends write
RUN_FILES = (
    *(TRAINING_LOG, SETTINGS, CONFIG, SPLITS_DIR, EVALUATION_DIR, VISUALIZATION_DIR, EVALUATION_LOG),
    *(SCALARS, TRAINING_CSV, VIS_IMAGE, VIS_DATA),
)

# log_dir/evaluation
GROUND_TRUTH, PREDICTIONS, METRICS, DETAILS = "ground_truth.json", "predictions.json", "metrics.json", "details.json"
METRICS_CSV, PER_IMAGE_CSV = "metrics.csv", "per_image.csv"
RESULT_FILES = (GROUND_TRUTH, PREDICTIONS, METRICS, DETAILS, METRICS_CSV, PER_IMAGE_CSV)
REPORT, COMPARISON, COMPARISON_PAGE = "report.html", "comparison.json", "comparison.html"

# log_dir/leave_class_out: beside these a folder for each class
LEFT_OUT_DIR, LEFT_OUT, LEFT_OUT_PAGE = "leave_class_out", "leave_class_out.json", "leave_class_out.html"
LEFT_OUT_CLASS, LEFT_OUT_ROW = "class_{num}", "row.json"
RUN_DIR = "run"  # log_dir and checkpoint_dir of one of several runs, of a fold or without a class

# log_dir/visualization
CONTACT_SHEET = "contact_sheet.jpg"
EPOCH_DIR, STRIP, STRIP_COLUMN = "epoch_{epoch}", "strip.jpg", "strip_column.jpg"  # of a run; the column in EPOCH_DIR

# predict's output folder; LABELS_DIR in it mirrors the images
JOB, RESULTS, RESULTS_CSV, COCO, PARTS_CSV = "predict.json", "results.jsonl", "results.csv", "coco.json", "parts.csv"
RESULTS_OF_RANK = "results.rank{rank}of{world}.jsonl"  # of many processes, until they are merged
CROPS_DIR, PICTURES_DIR = "crops", "pictures"

# Results of an earlier run are moved to here, below their folder.
PREVIOUS = "previous"

# review's output folder; CHANGES is in a corrected copy
REVIEW, SUSPECTS_CSV, REVIEW_PAGE, DECISIONS = "review.json", "suspects.csv", "review.html", "decisions.json"
FOLDS_DIR, CHANGES = "folds", "changes.csv"
TO_LABEL_CSV, TO_LABEL_PAGE, LABEL_STUDIO = "to_label.csv", "to_label.html", "label_studio.json"

# An exported detector.
EXPORT_MANIFEST, PARITY = "manifest.json", "parity.json"
EXPORT_PAGE, TRITON_DIR = "export.html", "triton"

# In each folder of outputs: the names that AnomDet wrote there, the lock of the run at work, and who that is.
MANIFEST, LOCK, HOLDER = ".anomdet.json", ".anomdet.lock", ".anomdet.running"
