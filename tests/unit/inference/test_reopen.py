"""A detector in another process is opened again from its file, as it was."""

import copy
import pickle

import pytest

from anomdet.errors import UserError
from anomdet.inference.detector import Detector
from anomdet.inference.reopen import Origin, reopened
from tests.unit.inference.test_detector import FakeBackend, artifact, grey

opened_files: list[tuple] = []
HASHES = ["ab"]


def load(path, *, threshold, device):
    """As anomdet.load; found by its name."""
    opened_files.append((path, threshold, device))
    return Detector(artifact(), FakeBackend(), file=path, sha256=HASHES[-1], threshold=threshold)


@pytest.fixture(autouse=True)
def afresh():
    reopened.cache_clear()
    opened_files.clear()
    del HASHES[1:]


def opened(threshold=0.5):
    detector = load("/tmp/best.pth", threshold=threshold, device="cpu")
    detector.origin = Origin(load, "/tmp/best.pth", (("device", "cpu"),))
    opened_files.clear()
    return detector


@pytest.mark.parametrize("threshold", [0.25, {7: 0.1, 4: 0.9}])
def test_it_comes_back_with_its_thresholds_and_is_opened_once(threshold):
    sent = pickle.dumps(opened().with_threshold(threshold))
    first, second = pickle.loads(sent), pickle.loads(sent)
    assert first is second
    assert opened_files == [("/tmp/best.pth", threshold, "cpu")]
    assert first.thresholds == threshold
    assert first(grey(200)).verdict == "reject"
    assert len(sent) < 1000  # no weights


def test_another_threshold_opens_no_file():
    detector = opened()
    assert detector.with_threshold(0.9).backend is detector.backend
    assert not opened_files


def test_a_file_that_has_changed_is_refused():
    sent = pickle.dumps(opened())
    HASHES.append("cd")
    with pytest.raises(UserError, match="expected the detector with the hash ab, got cd: the file has changed"):
        pickle.loads(sent)


def test_one_that_was_built_by_hand_says_what_to_do():
    detector = Detector(artifact(), FakeBackend())
    for send in (pickle.dumps, copy.deepcopy):
        with pytest.raises(UserError, match=r"call anomdet\.load in the other process"):
            send(detector)
