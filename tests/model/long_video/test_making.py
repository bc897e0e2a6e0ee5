from dataclasses import replace

import numpy as np
import pytest
import torch

from likeness.model.config import ModelError
from likeness.model.long_video import LongVideo, LongVideoSettings, choose_anchor
from likeness.model.network.transformer import AvatarTransformer3DModel

FRAMES = 58  # a chunk of 25, then two that add 20


@pytest.fixture
def settings(generator) -> LongVideoSettings:
    sampler = replace(generator.sampler_settings, steps=2)
    return LongVideoSettings(frames=FRAMES, seed=4, sampler=sampler)


def film(video: LongVideo) -> np.ndarray:
    return np.concatenate(list(video.frames()))


def test_a_clip_is_as_long_as_asked(generator, request_of, settings, tmp_path):
    video = LongVideo(generator, request_of(), settings, folder=tmp_path)
    video.make()
    assert film(video).shape == (FRAMES, 64, 64, 3)
    assert video.seams == [25, 45]


def test_the_first_chunk_is_a_short_clip(generator, request_of, settings, tmp_path):
    video = LongVideo(generator, request_of(), settings, folder=tmp_path)
    video.make()
    cond = generator.condition([request_of()])
    alone = generator.decode(generator.sample(cond, seeds=[4], settings=settings.sampler))[0]
    # the decoder looks one frame ahead
    assert np.abs(film(video)[:24].astype(int) - alone[:24]).max() <= 1


def test_a_stopped_clip_goes_on_to_the_same_frames(generator, request_of, settings, tmp_path):
    whole = LongVideo(generator, request_of(), settings, folder=tmp_path / "whole")
    whole.make()

    def stop(done: int, total: int, note: str) -> None:
        if done == 2:
            raise KeyboardInterrupt

    broken = LongVideo(generator, request_of(), settings, folder=tmp_path / "broken")
    with pytest.raises(KeyboardInterrupt):
        broken.make(stop)
    assert len(list((tmp_path / "broken").glob("chunk-*.safetensors"))) == 2
    again = LongVideo(generator, request_of(), settings, folder=tmp_path / "broken")
    again.make()
    assert (film(again) == film(whole)).all()


def test_the_reference_is_encoded_once_a_clip(
    generator, request_of, settings, tmp_path, monkeypatch
):
    calls = []
    encode = AvatarTransformer3DModel.encode_reference

    def count(self, *args, **kwargs):
        calls.append(1)
        return encode(self, *args, **kwargs)

    monkeypatch.setattr(AvatarTransformer3DModel, "encode_reference", count)
    LongVideo(generator, request_of(), settings, folder=tmp_path).make()
    assert len(calls) == 1


def test_chunks_go_on_from_the_latents_before(generator, request_of, settings, tmp_path):
    """Other noise in the first chunk changes the second: it sees the first one's end."""
    made = []
    for seed in (4, 5):
        video = LongVideo(
            generator, request_of(), replace(settings, seed=seed, anchor=False),
            folder=tmp_path / str(seed),
        )  # fmt: skip
        video._seed = lambda chunk, seed=seed: 7 if chunk.number else seed
        video.make()
        made.append(film(video))
    assert not (made[0][25:45] == made[1][25:45]).all()


def test_the_anchor_changes_what_follows(generator, request_of, settings, tmp_path):
    films = []
    for anchor in (True, False):
        video = LongVideo(
            generator, request_of(), replace(settings, anchor=anchor),
            folder=tmp_path / str(anchor),
        )  # fmt: skip
        video.make()
        assert (video.anchor() is not None) is anchor
        films.append(film(video))
    assert (films[0][:22] == films[1][:22]).all()
    assert not (films[0][25:] == films[1][25:]).all()


def test_another_clips_folder_is_refused(generator, request_of, settings, tmp_path):
    LongVideo(generator, request_of(), settings, folder=tmp_path)
    for other in (request_of(1), request_of(prompt="")):
        with pytest.raises(ModelError, match="another clip"):
            LongVideo(generator, other, settings, folder=tmp_path)
    with pytest.raises(ModelError, match="another clip"):
        LongVideo(generator, request_of(), replace(settings, seed=5), folder=tmp_path)


def test_a_damaged_chunk_is_named(generator, request_of, settings, tmp_path):
    video = LongVideo(generator, request_of(), settings, folder=tmp_path)
    video.make()
    (tmp_path / "chunk-00001.safetensors").write_bytes(b"half")
    with pytest.raises(ModelError, match=r"chunk-00001.safetensors is damaged"):
        film(video)


def test_latents_that_are_no_numbers_are_told(generator, request_of, settings, tmp_path):
    with torch.no_grad():
        generator.transformer.proj_out.bias.fill_(float("nan"))
    video = LongVideo(generator, request_of(), settings, folder=tmp_path)
    with pytest.raises(ModelError, match="NaN"):
        video.make()


def test_the_next_good_frame_becomes_the_anchor():
    frames = np.zeros((4, 8, 8, 3), np.uint8)
    anchor = choose_anchor(frames, lambda f: ["closed eyes", "no face", None, "closed eyes"])
    assert (anchor.frame, anchor.refused) == (2, ("closed eyes", "no face"))
    with pytest.raises(ModelError, match="no frame of the first chunk"):
        choose_anchor(frames, lambda f: ["closed eyes"] * 4)
    assert choose_anchor(frames, None).frame == 0
