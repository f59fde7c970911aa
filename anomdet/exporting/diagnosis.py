"""The first stage at which an exported network and its checkpoint part: prepare, network, decode or suppression."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import torch

from anomdet.exporting.graph import Graph
from anomdet.inference.artifact import Artifact
from anomdet.inference.detector import Detector
from anomdet.inference.preprocess import Batch, Prepared, PreparedTiles, parts, stack

_SAME = 1e-3
_BOX_PX = 0.05


def documents_differ(reference: Artifact, exported: Artifact) -> str:
    """The first value that differs between what both know of themselves; empty: none.

    >>> documents_differ(artifact, artifact)  # doctest: +SKIP
    ''
    """
    for part in fields(reference.preprocessing):
        mine, other = getattr(reference.preprocessing, part.name), getattr(exported.preprocessing, part.name)
        if mine != other:
            return f"prepare: {part.name} is {other!r}, of the checkpoint {mine!r}"
    if reference.operating_point != exported.operating_point:
        return "thresholds: the operating point is another than the checkpoint's"
    if (reference.tiles, reference.tta) != (exported.tiles, exported.tta):
        return "prepare: the tiles or the views are others than the checkpoint's"
    if reference.classes != exported.classes:
        return "classes: the class numbers or names are others than the checkpoint's"
    return ""


def first_difference(reference: Detector, exported: Detector, graph: Graph, image: Prepared | PreparedTiles) -> str:
    """The stage, in a few words, by one image on which both differ."""
    if found := documents_differ(reference.artifact, exported.artifact):
        return found
    if reference.thresholds != exported.thresholds:
        return f"thresholds: {exported.thresholds}, of the checkpoint {reference.thresholds}"
    batches = [stack([part], reference.artifact.preprocessing.pad_multiple) for part in parts(image)]
    batch = next((one for one in batches[:-1] if _differ(reference, exported, one)), batches[-1])
    with torch.no_grad():
        return _normalisation(reference, graph, batch) or _rows(reference, exported, graph, batch)


def _differ(reference: Detector, exported: Detector, batch: Batch) -> bool:
    """Whether both find other scores on it; for the tiles of an image, of which one is looked at closely."""
    ours, theirs = (one.backend.run(batch, 0.01)[0].scores for one in (reference, exported))
    return len(ours) != len(theirs) or bool((np.abs(np.sort(ours) - np.sort(theirs)) > _SAME).any())


def _normalisation(reference: Detector, graph: Graph, batch: Batch) -> str:
    backend: Any = reference.backend
    expected = backend.inputs(batch)
    found = graph.normalised(torch.from_numpy(batch.images), torch.from_numpy(batch.sizes_hw))
    if float((expected - found).abs().max()) < _SAME:
        return ""
    height, width = batch.sizes_hw[0].tolist()
    inside = (expected - found)[:, :, :height, :width].abs().max()
    if float(inside) < _SAME:
        return "prepare: the padding has another value than in the checkpoint"
    mirrored = graph.normalised(torch.from_numpy(batch.images[..., ::-1].copy()), torch.from_numpy(batch.sizes_hw))
    if float((expected - mirrored)[:, :, :height, :width].abs().max()) < _SAME:
        return "prepare: the order of the colour channels is the other one"
    return "prepare: the normalisation (mean, std) is another than the checkpoint's"


def _rows(reference: Detector, exported: Detector, graph: Graph, batch: Batch) -> str:
    """After the same inputs: do the scores differ, the boxes, or only which rows are kept?"""
    images, sizes = torch.from_numpy(batch.images), torch.from_numpy(batch.sizes_hw)
    floor = np.float32(max(graph.finder.floor, 0.01))
    ours = reference.backend.run(batch, float(floor))[0]
    boxes, scores = graph.as_one_set(*graph.finder(graph.normalised(images, sizes), sizes))
    labels, rows = np.nonzero(scores[0].numpy() > floor)
    values, corners = scores[0].numpy()[labels, rows], boxes[0].numpy()[rows]
    scale = np.tile((1 / batch.scales_wh[0]).astype(np.float32), 2)
    for at in range(len(ours)):
        same = (labels == ours.labels[at]) & (np.abs(values - ours.scores[at]) <= _SAME)
        if not same.any():
            return "network: it gives other scores than the checkpoint's"
        if np.abs(corners[same] * scale - ours.bboxes_xyxy[at]).max(axis=1).min() > _BOX_PX:
            return "decode: the scores are equal, the boxes lie elsewhere"
    theirs = exported.backend.run(batch, float(floor))[0]
    for label, score in zip(theirs.labels, theirs.scores, strict=True):
        if not ((labels == label) & (np.abs(values - score) <= _SAME)).any():
            return "network: the runtime computes other scores than PyTorch"
    return "suppression: the same candidates, other rows are kept"
