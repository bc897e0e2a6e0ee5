import numpy as np
import pytest
import remote
import tinies
import torch

from likeness.rewards.base import Subject
from likeness.rewards.vision.checkpoints import CheckpointError, Placement
from likeness.rewards.vision.levels import LEVELS, LevelReward
from likeness.rewards.vision.onealign import PICTURE, OneAlign, is_one_align


@pytest.fixture(scope="module")
def folder(tmp_path_factory, monkeypatch_module):
    return remote.one_align(tmp_path_factory.mktemp("owl"))


@pytest.fixture(scope="module")
def monkeypatch_module(tmp_path_factory):
    """Keep transformers' copies of a model's code out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        modules = str(tmp_path_factory.mktemp("modules"))
        patch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", modules)
        patch.syspath_prepend(modules)
        yield patch


def test_its_code_runs_only_where_asked_for(folder):
    assert is_one_align(folder)
    with pytest.raises(CheckpointError, match="--trust-remote-code"):
        OneAlign.load(folder, Placement())


def test_level_equals_a_hand_computation(folder):
    model = OneAlign.load(folder, Placement(), trust_remote_code=True)
    clip = tinies.clip(1, frames=60, size=(40, 40))
    score = LevelReward(model).score([Subject(clip=clip)])[0]
    words, pictures = model.tokenizer, model.pictures
    ids = words.encode("USER: How would you rate the quality of this video?\n")
    ids += [PICTURE]
    ids += words.encode("\nASSISTANT: The quality of the video is", add_special_tokens=False)
    pixels = pictures(list(clip.frames[[0, 25]]), return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        logits = model.model(torch.tensor([ids]), [pixels])["logits"][0, -1].double()
    chosen = logits[[words.convert_tokens_to_ids("▁" + word) for word in LEVELS]].numpy()
    odds = np.exp(chosen - chosen.max())
    assert score.value == pytest.approx(odds @ [5, 4, 3, 2, 1] / odds.sum(), abs=1e-6)
    assert score.version == "levels-one_align-video-1"


def test_other_videos_other_levels_and_batches_change_nothing(folder):
    reward = LevelReward(OneAlign.load(folder, Placement(), trust_remote_code=True))
    subjects = [Subject(clip=tinies.clip(seed)) for seed in range(3)]
    together = [score.value for score in reward.score(subjects)]
    assert len(set(together)) == 3
    reward.chances.forget()
    assert [reward.score([s])[0].value for s in subjects] == pytest.approx(together, abs=1e-6)
