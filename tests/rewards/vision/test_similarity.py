import json
import math

import numpy as np
import open_clip
import pytest
import tinies
import torch
from PIL import Image
from safetensors.torch import save_file

from likeness.rewards.base import Detailed, Subject
from likeness.rewards.sets import RewardSet
from likeness.rewards.vision.checkpoints import CheckpointError, Placement
from likeness.rewards.vision.similarity import ClipTextReward, published_text
from likeness.store.weights import WeightsError

CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 28, "layers": 2, "width": 24, "head_width": 12, "patch_size": 14},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2},
}


@pytest.fixture(scope="module")
def model():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = open_clip.CLIP(**CONFIG).eval()
        for name, parameter in made.named_parameters():  # drawn small: make words and frames count
            if "weight" in name and parameter.ndim > 1:
                parameter.data *= 3
    return made


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    preprocess = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]}
    config = {"model_cfg": CONFIG, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return folder


@pytest.fixture(scope="module")
def reward(folder):
    return ClipTextReward.load(folder, Placement())


def cosine_by_hand(model, frame: np.ndarray, prompt: str) -> float:
    picture = Image.fromarray(frame)  # 28 x 28: neither resized nor cropped
    pixels = (np.asarray(picture) / 255 - [0.5, 0.4, 0.3]) / [0.2, 0.3, 0.4]
    with torch.inference_mode():
        a = model.encode_image(torch.tensor(pixels).permute(2, 0, 1)[None].float())[0].double()
        b = model.encode_text(open_clip.tokenize([prompt]))[0].double()
    return float(a @ b / (a.norm() * b.norm()))


def test_score_equals_a_hand_computation(reward, model):
    clip = tinies.clip(1, frames=60, size=(28, 28))
    subject = Subject(clip=clip, prompt="a man talks in a kitchen")
    score = reward.score([subject])[0]
    wanted = [cosine_by_hand(model, clip.frames[t], subject.prompt) for t in (0, 25)]
    assert score.value == pytest.approx(np.mean(wanted), abs=1e-5)
    assert (score.reward, score.version, len(score.weights)) == ("text", "openclip-1", 64)
    assert isinstance(reward, Detailed)
    line = reward.detail(subject).curves["text"]
    assert np.flatnonzero(np.isfinite(line)).tolist() == [0, 25]
    assert line[[0, 25]] == pytest.approx(wanted, abs=1e-5)


def test_clip_and_prompt_are_looked_at(reward):
    subjects = [
        Subject(clip=tinies.clip(seed, frames=20), prompt=prompt)
        for seed in (1, 2)
        for prompt in ("a red house", "two people talking at night")
    ]
    together = [score.value for score in reward.score(subjects)]
    assert len({round(value, 4) for value in together}) == 4
    assert all(-1 <= value <= 1 for value in together)
    reward.pictures.forget()
    assert [reward.score([s])[0].value for s in subjects] == pytest.approx(together, abs=1e-5)


def test_no_prompt_is_nan_with_a_reason(reward):
    rows = reward.score([Subject(clip=tinies.clip(1)), Subject(clip=tinies.clip(1), prompt="a")])
    assert [math.isnan(row.value) for row in rows] == [True, False]
    assert rows[0].reason == "no prompt given"


def test_a_file_of_weights_needs_its_architecture(folder, tmp_path, reward):
    path = folder / "open_clip_model.safetensors"
    with pytest.raises(CheckpointError, match="name the architecture"):
        ClipTextReward.load(path, Placement())
    (tmp_path / "tiny-clip.json").write_text(json.dumps(CONFIG))
    open_clip.add_model_config(tmp_path)
    alone = ClipTextReward.load(path, Placement(), "tiny-clip")
    subject = Subject(clip=tinies.clip(1), prompt="a man")
    assert -1 <= alone.score([subject])[0].value <= 1
    assert alone.weights != reward.weights


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda f: (f / "open_clip_config.json").unlink(), "holds no open_clip_config.json"),
        (lambda f: (f / "open_clip_config.json").write_text("{"), "can't be read as open_clip's"),
        (lambda f: (f / "open_clip_model.safetensors").unlink(), "can't be read as open_clip's"),
        (lambda f: (f / "open_clip_model.safetensors").write_bytes(b"no"), "can't be read as"),
    ],
)
def test_damaged_folders_say_so_in_one_line(folder, tmp_path, spoil, reason):
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    spoil(copy)
    with pytest.raises(CheckpointError, match=reason) as error:
        ClipTextReward.load(copy, Placement())
    assert "\n" not in str(error.value)


def test_recorded_clips_take_the_weights_that_are_here(folder, tmp_path, monkeypatch, reward):
    monkeypatch.setenv("LIKENESS_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError, match="hf download laion/CLIP-ViT-B-32") as error:
        published_text(Placement())
    assert str(tmp_path) in str(error.value)
    (tmp_path / "CLIP-ViT-B-32-laion2B-s34B-b79K").symlink_to(folder)
    found = published_text(Placement())
    assert found.weights == reward.weights


def test_missing_weights_are_reasons(real_weights, monkeypatch, tmp_path):
    monkeypatch.setenv("LIKENESS_WEIGHTS", str(tmp_path))
    (tmp_path / "yunet_n_640_640.onnx").symlink_to(real_weights / "yunet_n_640_640.onnx")
    rewards = RewardSet.load("real", extra=["videoreward", "qalign"])
    subject = Subject(clip=tinies.clip(1), prompt="a man")
    rows = {row.reward: row for row in rewards.score([subject])}
    assert "hf download laion/CLIP-ViT-B-32" in (rows["text"].reason or "")
    assert "hf download KwaiVGI/VideoReward" in (rows["video_overall"].reason or "")
    assert "hf download q-future/one-align" in (rows["qalign"].reason or "")
    assert rows["quality"].version == "clarity-1"
    assert list(rows)[-5:] == ["video_vq", "video_mq", "video_ta", "video_overall", "qalign"]
