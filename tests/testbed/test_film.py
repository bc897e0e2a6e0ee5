import numpy as np

from likeness.testbed.cast import cast, take_of
from likeness.testbed.film import film


def test_a_reel_holds_the_takes_whoever_renders_them():
    people = cast("spare", 2)
    told = []
    alone = film(people, 2, 0.2, workers=1, progress=lambda done, total, note: told.append(done))
    together = film(people, 2, 0.2, workers=2)
    assert told == [1, 2]
    assert np.array_equal(alone.frames, together.frames)
    take = take_of(people[1], 1, 0.2)
    assert np.array_equal(alone.frames[1, 1], take.clip.frames)
    assert np.array_equal(alone.audio[1, 1], take.clip.audio)
    assert alone.captions[3] == take.caption
    lips = take.truth.five[:, 3:].mean(1)
    assert (alone.mouths[1, 1][:, :2] < lips).all()
    assert (alone.mouths[1, 1][:, 2:] > lips).all()
