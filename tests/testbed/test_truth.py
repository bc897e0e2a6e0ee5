import cv2
import numpy as np
import pytest

from likeness.store.hiding import hidden_region
from likeness.testbed.take import LANDMARKS


def mouth_darkness(take):
    """How much darker than the face the middle of the mouth is, (T,)."""
    values = []
    for frame, points in zip(take.clip.frames, take.truth.landmarks, strict=True):
        top, bottom = (points[LANDMARKS.index(n)] for n in ("lip_inner_top", "lip_inner_bottom"))
        middle = np.round((top + bottom) / 2).astype(int)
        around = np.round(take.truth.five[0, 2]).astype(int)
        values.append(
            float(frame[around[1], around[0]].mean()) - frame[middle[1], middle[0]].mean()
        )
    return np.array(values)


def test_mouth_opening_follows_the_sound(takes):
    for take in takes:
        loudness = np.sqrt((take.clip.audio.reshape(-1, 640) ** 2).mean(1))
        assert np.corrcoef(loudness, take.truth.mouth_open)[0, 1] > 0.7


def test_an_open_mouth_is_dark_in_the_picture(takes):
    for take in takes:
        darkness, wide = mouth_darkness(take), take.truth.mouth_open
        assert darkness[wide > 4].mean() > darkness[wide < 0.5].mean() + 15


def test_shut_eyes_lose_their_contrast(takes):
    compared = 0
    for take in takes:
        shut, opened = take.truth.eye_open < 0.1, take.truth.eye_open > 0.95
        if not shut.any():
            continue
        contrast = np.array([_eye(take, k).std() for k in range(len(take.clip))])
        compared += 1
        assert contrast[shut].mean() < 0.85 * contrast[opened].mean()
    assert compared >= 4


def _eye(take, frame):
    x, y = np.round(take.truth.five[frame, 0]).astype(int)
    return take.clip.frames[frame, y - 1 : y + 2, x - 3 : x + 4].astype(float).mean(-1)


def test_five_points_lie_in_the_face_box_in_order(takes):
    for take in takes:
        box, five = take.truth.face_box, take.truth.five
        assert (five >= box[:, None, :2]).all()
        assert (five <= box[:, None, 2:]).all()
        assert (five[:, 0, 0] < five[:, 1, 0]).all()
        assert (five[:, 3, 0] < five[:, 4, 0]).all()
        assert take.truth.landmarks.shape == (50, len(LANDMARKS), 2)


def test_outside_the_mask_the_picture_is_the_background(takes):
    for take in takes:
        far = ~np.stack(
            [cv2.dilate(m.astype(np.uint8), np.ones((5, 5))) > 0 for m in take.truth.mask]
        )
        change = np.abs(take.clip.frames.astype(int) - take.background).max(-1)
        assert change[far].max() <= 2


def test_inside_the_mask_the_picture_is_the_person(takes):
    for take in takes:
        differs = np.abs(take.clip.frames.astype(int) - take.background).sum(-1) > 10
        assert differs[take.truth.mask].mean() > 0.85


def test_hidden_covers_the_person_and_tells_nothing(takes):
    for take in takes:
        assert np.array_equal(take.hidden, hidden_region(64))
        outside = take.truth.mask & ~take.hidden
        assert outside.sum() < 0.01 * take.truth.mask.sum()
        x, y = np.round(take.truth.landmarks).astype(int).reshape(-1, 2).T
        assert take.hidden[y, x].all()


@pytest.mark.parametrize("blocks", [16, 32, 64])
def test_hidden_is_made_of_whole_latent_blocks(blocks):
    region = hidden_region(blocks)
    cells = region.reshape(8, blocks // 8, 8, blocks // 8)
    assert (cells.all((1, 3)) == cells.any((1, 3))).all()
