"""Scoring what is too long to hold: the scores of a clip in memory."""

import numpy as np

from likeness.rewards.scoring import scorer
from likeness.rewards.scoring.scorer import Scorer
from likeness.store.film import Film
from likeness.store.media import probe


def test_a_film_on_disk_scores_as_the_clip_in_memory(jobs, monkeypatch):
    job = jobs[0]
    held = Scorer(detail=True)(job)
    kinds, footage = [], scorer.footage

    def noting(path, **settings):
        read = footage(path, **settings)
        kinds.append(type(read))
        return read

    # pieces of 7 frames: windows of lip sync, steps of movement and tracks go across them
    video = probe(job.clip).video
    assert video is not None
    monkeypatch.setattr("likeness.store.film.MOST_HELD", 0)
    monkeypatch.setattr("likeness.store.film.MOST_IN_PIECE", 7 * 3 * video.width * video.height)
    monkeypatch.setattr(scorer, "footage", noting)
    read = Scorer(detail=True)(job)

    assert kinds == [Film, Film]
    mine, theirs = (
        {score.reward: (score.value, score.reason) for score in outcome.scores}
        for outcome in (read, held)
    )
    assert mine.keys() == theirs.keys()
    for name, (value, reason) in mine.items():
        assert reason == theirs[name][1]
        np.testing.assert_allclose(value, theirs[name][0], atol=1e-4, rtol=1e-4, err_msg=name)
    assert np.isfinite([value for value, _ in mine.values()]).sum() >= 6
    assert read.details.keys() == held.details.keys()
    for name, detail in read.details.items():
        assert detail.curves.keys() == held.details[name].curves.keys()
        for curve, line in detail.curves.items():
            np.testing.assert_allclose(line, held.details[name].curves[curve], atol=1e-3, rtol=1e-3)
