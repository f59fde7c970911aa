"""Which settings a word of another tool's command line may mean."""

from __future__ import annotations

from anomdet.config.describe import flat_keys

# Of Ultralytics, MMDetection, torchvision and others.
_ALSO = {
    "lr": "training.learning_rate",
    "lr0": "training.learning_rate",
    "batch": "training.batch_size",
    "bs": "training.batch_size",
    "imgsz": "data.image_size",
    "img": "data.image_size",
    "img_size": "data.image_size",
    "data": "data.data_dir",
    "data_path": "data.data_dir",
    "workers": "data.num_workers",
    "amp": "training.use_amp",
    "patience": "training.early_stopping.patience",
    "weights": "model.weights",
    "conf": "metrics.score_threshold",
    "conf_thres": "metrics.score_threshold",
    "iou": "metrics.matching_iou_threshold",
    "project": "logging.log_dir",
    "work_dir": "logging.log_dir",
    "output_dir": "logging.log_dir",
    "backbone": "model.backbone",
    "model": "model.name",
}


def settings_like(word: str) -> list[str]:
    """Keys whose last part is the word, or that other tools call so.

    >>> settings_like("epochs"), settings_like("lr"), settings_like("nothing")
    (['training.epochs'], ['training.learning_rate'], [])
    """
    name = word.lower().replace("-", "_")
    if name in _ALSO:
        return [_ALSO[name]]
    return [key for key in flat_keys() if key.rpartition(".")[2] == name]
