import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from likeness.testbed.cast import cast, take_of
from likeness.testbed.manner import LIMIT, move
from likeness.testbed.person import STYLES, draw_person
from likeness.testbed.speech import synthesise


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_every_face_has_its_parts_in_place(seed):
    person = draw_person(seed)
    o, eyes, mouth = person.outline, person.eyes, person.mouth
    assert eyes.spread + eyes.half_width < o.half_width
    assert eyes.spread > eyes.half_width
    assert eyes.y < person.nose.y < mouth.y - mouth.upper < mouth.y + mouth.lower < o.chin
    assert mouth.half_width < o.half_width - 2
    assert person.hair.style in STYLES
    assert 60 < person.voice.pitch < 400
    assert draw_person(seed) == person


def test_faces_alone_tell_people_apart_across_scenes():
    """Hair, clothes and brightness are cut away; a nearest neighbour of raw detail is left."""
    people = cast("spare", 24)
    one, two = (np.stack([_detail(take_of(p, s, 1.0)) for p in people]) for s in (0, 1))
    found = (one @ two.T).argmax(1) == np.arange(24)
    assert found.mean() > 0.7


def _detail(take):
    template = np.array([(22, 26), (42, 26), (32, 46)], np.float32)
    calm = np.argsort(take.truth.mouth_open - 100 * (take.truth.eye_open > 0.9))[:5]
    faces = []
    for k in calm:
        five = take.truth.five[k]
        anchors = np.stack([five[0], five[1], (five[3] + five[4]) / 2]).astype(np.float32)
        move_there = cv2.getAffineTransform(anchors, template)
        face = np.asarray(cv2.warpAffine(take.clip.frames[k], move_there, (64, 64)))
        grey = face.astype(np.float32)[14:54, 14:50].mean(-1)
        fine = grey - cv2.GaussianBlur(grey, (0, 0), 6)
        faces.append(fine.ravel() / fine.std())
    mean = np.mean(faces, 0)
    return mean / np.linalg.norm(mean)


def test_manner_shows_in_the_motion():
    """Who nods more in the truth nods more in the picture, in other words too."""
    people = cast("spare", 24)
    asked, seen, blinks, blink_rates = [], [], [], []
    for person in people:
        speech = synthesise(8.0, person.voice, np.random.default_rng(person.seed))
        motion = move(person.manner, speech, np.random.default_rng(1))
        asked.append(person.manner.nod_amplitude)
        seen.append(motion.y.std())
        blinks.append(((motion.blink[1:] > 0.5) & (motion.blink[:-1] <= 0.5)).sum() / 8)
        blink_rates.append(person.manner.blink_rate)
        assert np.abs(motion.x).max() <= LIMIT
        assert np.abs(motion.y).max() <= LIMIT
    assert np.corrcoef(asked, seen)[0, 1] > 0.8
    assert np.corrcoef(blinks, blink_rates)[0, 1] > 0.4


def test_mouth_gain_shows_in_the_opening():
    small, large = sorted(cast("spare", 24), key=lambda p: p.manner.mouth_gain)[::23]
    wide = [take_of(p, 0, 3.0).truth.mouth_open.max() for p in (small, large)]
    assert wide[1] > 1.2 * wide[0]
