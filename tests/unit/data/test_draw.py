from __future__ import annotations

import itertools
import pickle

import numpy as np

from anomdet.data.draw import Draw


def test_is_an_int_that_survives_pickling():
    draw = Draw(7, seed=1, epoch=2, position=3)
    again = pickle.loads(pickle.dumps(draw))
    assert again == 7 and list("abcdefgh")[again] == "h"
    assert (again.seed, again.epoch, again.position) == (1, 2, 3)
    assert type(again) is Draw


def test_stream_depends_on_the_draw_and_not_on_the_image():
    first = Draw(7, 1, 2, 3).rng().random(4)
    np.testing.assert_array_equal(first, Draw(9, 1, 2, 3).rng().random(4))
    for other in (Draw(7, 2, 2, 3), Draw(7, 1, 3, 3), Draw(7, 1, 2, 4)):
        assert not np.array_equal(first, other.rng().random(4))


def test_no_two_draws_or_purposes_share_a_stream():
    draws = itertools.product((0, 1, 42, 2**32), (0, 1, 2), range(100), ((), (0,), (1, 0), (1, 1)))
    starts = [Draw(0, seed, epoch, at).rng(*stream).bytes(8) for seed, epoch, at, stream in draws]
    assert len(set(starts)) == len(starts) == 4 * 3 * 100 * 4
