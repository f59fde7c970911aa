from __future__ import annotations

from pathlib import Path

import pytest
import torch

from anomdet import ops

ops.install()

from mmdet.structures import DetDataSample  # noqa: E402
from mmdet.structures.bbox import HorizontalBoxes  # noqa: E402
from mmengine.structures import InstanceData  # noqa: E402

from anomdet.errors import UserError  # noqa: E402
from anomdet.models.file_model import FileModel  # noqa: E402
from anomdet.registry import MODELS  # noqa: E402

EXAMPLE = Path(__file__).parents[3] / "examples" / "custom_model_torchvision.py"

RECORDER = """
import torch
from torch import nn

class CustomModel(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.num_classes = config["model"]["num_classes"]
        self.seen = []

    def forward(self, images, targets=None):
        self.seen.append((images, targets))
        if self.training:
            return LOSSES
        return PREDICTIONS

"""
LOSSES = "{'classification': self.weight.sum(), 'loss_box': self.weight.sum() * 2}"
ONE = "{'boxes': torch.tensor([[10., 20., 30., 40.]]), 'labels': torch.tensor([2]), 'scores': torch.tensor([0.5])}"


def _recorder(tmp_path: Path, losses: str = LOSSES, predictions: str = f"[{ONE}] * len(images)") -> FileModel:
    path = tmp_path / "model.py"
    path.write_text(RECORDER.replace("LOSSES", losses).replace("PREDICTIONS", predictions))
    return FileModel(str(path), {}, num_classes=2)


def _batch(sizes_hw: list[tuple[int, int]], boxes: list[list[list[float]]]) -> dict:
    samples, inputs = [], []
    for (height, width), image_boxes in zip(sizes_hw, boxes, strict=True):
        sample = DetDataSample()
        sample.set_metainfo({"img_shape": (height, width), "ori_shape": (height * 2, width * 4)})
        sample.set_metainfo({"scale_factor": (0.25, 0.5)})  # width, height
        tensor = torch.tensor(image_boxes).reshape(-1, 4)
        labels = torch.arange(len(tensor)) % 2
        sample.gt_instances = InstanceData(bboxes=HorizontalBoxes(tensor), labels=labels)
        samples.append(sample)
        image = torch.zeros(3, height, width, dtype=torch.uint8)
        image[0] = 255  # blue: images come as BGR
        inputs.append(image)
    return {"inputs": inputs, "data_samples": samples}


def test_the_user_s_model_sees_what_torchvision_s_see(tmp_path: Path) -> None:
    model = _recorder(tmp_path).train()
    batch = _batch([(8, 12), (16, 10)], [[[1, 2, 5, 6], [3, 3, 3, 9]], []])
    losses = model(**model.data_preprocessor(batch, True), mode="loss")
    [(images, targets)] = model.model.seen
    assert [tuple(image.shape) for image in images] == [(3, 8, 12), (3, 16, 10)]  # without padding
    assert images[0][2].min() == 1 and images[0][:2].max() == 0  # RGB, 0 to 1
    assert targets[0]["boxes"].tolist() == [[1, 2, 5, 6]] and targets[0]["labels"].tolist() == [1]
    assert targets[1]["boxes"].shape == (0, 4) and targets[1]["labels"].dtype == torch.int64
    total, _ = model.parse_losses(losses)
    assert total.item() == 3  # both losses count, whatever their names


def test_predictions_come_back_in_original_pixels_with_labels_from_0(tmp_path: Path) -> None:
    model = _recorder(tmp_path).eval()
    [sample] = model(**model.data_preprocessor(_batch([(64, 64)], [[]]), False), mode="predict")
    assert sample.pred_instances.bboxes.tolist() == [[40, 40, 120, 80]]
    assert sample.pred_instances.labels.tolist() == [1]
    assert sample.pred_instances.scores.tolist() == [0.5]


def test_the_example_trains_and_predicts() -> None:
    config = {"model": {"pretrained": False}, "data": {"image_size": 64}}
    model = MODELS.build({"type": "anomdet.FileModel", "file": str(EXAMPLE), "config": config, "num_classes": 2})
    torch.manual_seed(0)
    batch = _batch([(64, 64), (64, 64)], [[[8, 8, 40, 40]], []])
    losses = model.train()(**model.data_preprocessor(batch, True), mode="loss")
    total, _ = model.parse_losses(losses)
    total.backward()
    assert torch.isfinite(total) and sum(p.grad is not None for p in model.parameters()) > 20
    with torch.no_grad():
        samples = model.eval()(**model.data_preprocessor(batch, False), mode="predict")
    for sample in samples:
        found = sample.pred_instances
        assert found.bboxes.shape == (len(found.scores), 4)
        assert not len(found.labels) or 0 <= int(found.labels.min()) <= int(found.labels.max()) <= 1


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        ("[1]", "in training: expected a dict of losses, got list"),
        ("{'a': 3.0}", "in training, a: expected a tensor with one number, got float"),
        ("{'a': self.weight.expand(2)}", r"a: expected a tensor with one number, got shape \(2,\)"),
        ("{'a': self.weight.sum().detach()}", "in training: expected a loss that its weights have a part in"),
    ],
)
def test_bad_losses_are_named(losses: str, message: str, tmp_path: Path) -> None:
    model = _recorder(tmp_path, losses=losses).train()
    with pytest.raises(UserError, match=message):
        model(**model.data_preprocessor(_batch([(8, 8)], [[]]), True), mode="loss")


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        ("images[0]", "in evaluation: expected a list of 1 dicts .* got Tensor"),
        ("[]", "in evaluation: expected a list of 1 dicts .* got 0 of them"),
        ("[{'boxes': images[0]}]", r"image 0: expected .* got keys \['boxes'\]"),
        (f"[dict({ONE}, boxes=torch.zeros(2, 4))]", r"image 0: expected .* got shapes \[\(2, 4\), \(1,\), \(1,\)\]"),
        (f"[dict({ONE}, labels=torch.tensor([3]))]", "labels .* from 1 to 2.* got labels from 3 to 3"),
    ],
)
def test_bad_predictions_are_named(predictions: str, message: str, tmp_path: Path) -> None:
    model = _recorder(tmp_path, predictions=predictions).eval()
    with pytest.raises(UserError, match=message):
        model(**model.data_preprocessor(_batch([(8, 8)], [[]]), False), mode="predict")


@pytest.mark.parametrize(
    ("boxes", "said"),
    [
        ("[[30., 30., 10., 10.]]", "1 of 1 end before they begin"),  # a corner, width and height
        ("[[0.1, 0.1, 0.4, 0.4]]", "all 1 lie within the first pixel"),
        ("[[10., 20., 30., 40.]]", ""),
    ],
)
def test_boxes_of_another_kind_are_warned_of_once(
    boxes: str, said: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """They found nothing, without a word."""
    model = _recorder(tmp_path, predictions=f"[dict({ONE}, boxes=torch.tensor({boxes}))]").eval()
    for _ in range(2):
        model(**model.data_preprocessor(_batch([(8, 8)], [[]]), False), mode="predict")
    assert len(caplog.messages) == bool(said)
    assert all(said in one and "expected boxes as x1, y1, x2, y2 in pixels" in one for one in caplog.messages)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", r"bad\.py: expected class CustomModel\(config\), got a file that defines nothing"),
        ("class CustomModel:\n    def __init__(self, config): raise ValueError('no')", r"bad\.py:2: .*ValueError: no"),
        ("class CustomModel:\n    def __init__(self, config): pass", "expected a torch.nn.Module, got CustomModel"),
    ],
)
def test_a_bad_file_is_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(text)
    with pytest.raises(UserError, match=message):
        FileModel(str(tmp_path / "bad.py"), {}, num_classes=1)
