import math

import numpy as np
import pytest
import tinies
import torch
import video_folder
from safetensors.torch import load_file, save_file
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import resize
from transformers import AutoProcessor, Qwen2VLForConditionalGeneration

from likeness.rewards.base import Detailed, Subject
from likeness.rewards.vision.checkpoints import CheckpointError, Placement
from likeness.rewards.vision.model_config import VideoRewardConfig, fit_size
from likeness.rewards.vision.videoreward import VideoReward

FRAMES = 4


@pytest.fixture(scope="module")
def folder(qwen, tmp_path_factory):
    return video_folder.save(tmp_path_factory.mktemp("reward") / "VideoReward", qwen)


@pytest.fixture(scope="module")
def reward(qwen, folder):
    return VideoReward.load(folder, qwen, Placement(), frames=FRAMES)


def subject(seed: int, prompt: str = "a man talks", frames: int = 30) -> Subject:
    return Subject(clip=tinies.clip(seed, frames=frames), prompt=prompt)


def scores_by_hand(base, clip, prompt) -> list[float]:
    """Adapters added into the weights by hand; head and normalisation in float64."""
    state = video_folder.drawn_state(base)
    model = Qwen2VLForConditionalGeneration.from_pretrained(base)
    processor = AutoProcessor.from_pretrained(base)
    words = processor.tokenizer
    words.add_tokens(list(video_folder.MARKS), special_tokens=True)
    text = model.model.language_model
    text.embed_tokens = torch.nn.Embedding.from_pretrained(
        state["model.language_model.embed_tokens.weight"]
    )
    for name, module in text.named_modules():
        key = f"model.language_model.{name}"
        if f"{key}.lora_A.weight" in state:
            down, up = state[f"{key}.lora_A.weight"], state[f"{key}.lora_B.weight"]
            module.weight.data += video_folder.ALPHA / video_folder.RANK * up @ down
    indices = [0, 10, 19, 29]  # of 30, evenly
    size = fit_size(*clip.frames.shape[1:3], 28 * 28 * 200)
    pixels = torch.tensor(clip.frames[indices]).permute(0, 3, 1, 2)
    pixels = resize(pixels, list(size), interpolation=InterpolationMode.BICUBIC, antialias=True)
    question = video_folder.PROMPT.replace("{text_prompt}", prompt)
    chat = (
        f"<|im_start|>user\n<|vision_start|><|video_pad|><|vision_end|>{question}<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    options = {"do_resize": False, "do_sample_frames": False}
    inputs = processor(text=[chat], videos=[pixels], return_tensors="pt", videos_kwargs=options)
    ids = inputs["input_ids"]
    with torch.inference_mode():
        embedded = text.embed_tokens(ids)
        seen = model.model.visual(
            inputs["pixel_values_videos"], grid_thw=inputs["video_grid_thw"]
        ).pooler_output
        embedded[0, ids[0] == words.convert_tokens_to_ids("<|video_pad|>")] = seen
        places = torch.arange(ids.shape[1]).view(1, 1, -1).expand(3, 1, -1)
        hidden = text(inputs_embeds=embedded, position_ids=places).last_hidden_state[0].double()
    head = state["rm_head.weight"].double()
    levels = []
    for k, mark in enumerate(video_folder.MARKS):
        (at,) = (ids[0] == words.convert_tokens_to_ids(mark)).nonzero().flatten().tolist()
        raw = float(hidden[at] @ head[k])
        levels.append((raw - video_folder.MEANS[k]) / video_folder.STDS[k])
    return [*levels, sum(levels)]


def test_scores_equal_a_hand_computation(reward, qwen):
    asked = subject(1)
    found = reward.score([asked])
    assert [score.reward for score in found] == list(VideoReward.names)
    wanted = scores_by_hand(qwen, asked.clip, asked.prompt)
    assert [score.value for score in found] == pytest.approx(wanted, abs=1e-4)
    assert {score.version for score in found} == {"videoreward-4frames-1"}


def test_both_layouts_of_the_checkpoint_say_the_same(reward, qwen, tmp_path):
    folder = video_folder.save(tmp_path / "whole", qwen, whole=True)
    whole = VideoReward.load(folder, qwen, Placement(), frames=FRAMES)
    np.testing.assert_allclose(whole.raw([subject(1)]), reward.raw([subject(1)]), atol=1e-6)


def test_adapters_change_the_score(reward, qwen, folder, tmp_path):
    other = video_folder.save(tmp_path / "other", qwen)
    path = other / "checkpoint-20" / video_folder.ADAPTER
    save_file({k: v * (0 if ".lora_B" in k else 1) for k, v in load_file(path).items()}, path)
    bare = VideoReward.load(other, qwen, Placement(), frames=FRAMES)
    assert np.abs(bare.raw([subject(1)]) - reward.raw([subject(1)])).min() > 1e-3
    assert bare.weights != reward.weights


def test_clip_and_prompt_are_looked_at(reward):
    rows = [subject(1), subject(2), subject(1, prompt="a man poor")]
    scores = np.array([reward.score([row])[3].value for row in rows])
    assert np.abs(np.diff(scores)).min() > 1e-4


def test_a_batch_gives_what_one_by_one_gives(reward):
    rows = [subject(1), subject(2, prompt="a man talks good and good and good"), subject(3)]
    together = [score.value for score in reward.score(rows)]
    alone = [score.value for row in rows for score in reward.score([row])]
    assert together == pytest.approx(alone, abs=1e-4)
    assert [score.value for score in reward.score(rows)] == together


@pytest.mark.parametrize("frames", [1, 3, 30, 200])
def test_every_clip_shows_as_many_frames(reward, frames):
    assert reward.video(tinies.clip(1, frames=frames)).shape[0] == FRAMES


def test_no_prompt_is_nan_with_a_reason(reward):
    rows = reward.score([Subject(clip=tinies.clip(1)), subject(1)])
    assert [math.isnan(row.value) for row in rows] == [True] * 4 + [False] * 4
    assert {row.reason for row in rows[:4]} == {"no prompt given"}


def test_detail_holds_what_the_head_gave(reward):
    assert isinstance(reward, Detailed)
    detail = reward.detail(subject(1))
    raw = [detail.values[f"video_{name}_raw"] for name in ("vq", "mq", "ta")]
    wanted = (np.array(raw) - video_folder.MEANS) / video_folder.STDS
    found = [score.value for score in reward.score([subject(1)])]
    assert found[:3] == pytest.approx(wanted.tolist())
    assert found[3] == pytest.approx(wanted.sum())
    assert detail.values["video_frames"] == FRAMES


def test_the_file_may_fix_the_number_of_frames(qwen, tmp_path):
    folder = video_folder.save(tmp_path / "fixed", qwen, num_frames=7)
    config = VideoRewardConfig.read(folder / "model_config.json", frames=4)
    assert config.frames == 8  # pairs


@pytest.mark.parametrize(
    ("size", "fitted"),
    [((480, 832), (252, 420)), ((448, 448), (336, 336)), ((56, 40), (392, 280)), ((2, 300), None)],
)
def test_sizes_are_multiples_of_28_within_bounds(size, fitted):
    rows, columns = fit_size(*size, 28 * 28 * 144)
    assert rows % 28 == columns % 28 == 0
    assert fitted is None or (rows, columns) == fitted


def spoil(folder, name, text):
    (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda f: (f / "model_config.json").unlink(), "holds no model_config.json"),
        (lambda f: spoil(f, "model_config.json", "{}"), "can't be read as VideoReward's config"),
        (lambda f: spoil(f, "prompt_template.py", "X = 1"), "no DETAILED_PROMPT_WITH_SPECIAL"),
        (lambda f: spoil(f, "prompt_template.py", "X ="), "can't be read as VideoAlign's prompts"),
        (lambda f: (f / "checkpoint-20" / video_folder.ADAPTER).unlink(), "neither model.pth nor"),
        (lambda f: drop(f, "rm_head"), "the reward head is None"),
        (lambda f: drop(f, "embed_tokens"), "no embedding of"),
    ],
)
def test_damaged_folders_say_so(qwen, tmp_path, damage, reason):
    folder = video_folder.save(tmp_path / "damaged", qwen)
    damage(folder)
    with pytest.raises(CheckpointError, match=reason) as error:
        VideoReward.load(folder, qwen, Placement())
    assert "\n" not in str(error.value)


def drop(folder, word):
    path = folder / "checkpoint-20" / "non_lora_state_dict.pth"
    state = torch.load(path, weights_only=True)
    torch.save({key: value for key, value in state.items() if word not in key}, path)


def test_other_forms_are_refused(qwen, tmp_path):
    folder = video_folder.save(tmp_path / "other", qwen, output_dim=1)
    with pytest.raises(CheckpointError, match="output_dim is 1; only 3 is read"):
        VideoReward.load(folder, qwen, Placement())
