import math
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tinies
import torch
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from likeness.rewards.base import Detailed, Subject
from likeness.rewards.vision.chat import ChatModel
from likeness.rewards.vision.checkpoints import CheckpointError, Placement
from likeness.rewards.vision.levels import LEVELS, LevelReward, level_tokens, probabilities

MARKS = {"qwen2_vl": "<|vision_start|><|image_pad|><|vision_end|>", "llava": "<image>"}
KINDS = sorted(MARKS)


def padded_by_hand(frame: np.ndarray) -> Image.Image:
    height, width = frame.shape[:2]
    side = max(height, width)
    means = [0.48145466, 0.4578275, 0.40821073]  # of CLIP's and Qwen2-VL's processors
    out = np.zeros((side, side, 3), dtype=np.uint8)
    for y in range(side):
        for x in range(side):
            row, column = y - (side - height) // 2, x - (side - width) // 2
            inside = 0 <= row < height and 0 <= column < width
            out[y, x] = frame[row, column] if inside else [int(m * 255) for m in means]
    return Image.fromarray(out)


def level_by_hand(speaker: ChatModel, frames: list[np.ndarray], form: str) -> float:
    """From the logits of all positions and all words, in float64."""
    words = speaker.processor.tokenizer
    prompt = (
        f"<|im_start|>user\n{MARKS[speaker.kind] * len(frames)}How would you rate the quality of "
        f"this {form}?<|im_end|>\n<|im_start|>assistant\nThe quality of the {form} is"
    )
    inputs = speaker.processor(
        text=[prompt], images=[[padded_by_hand(f) for f in frames]], return_tensors="pt"
    )
    with torch.inference_mode():
        logits = speaker.model(**inputs).logits[0, -1].double().numpy()
    space = "Ġ" if speaker.kind == "qwen2_vl" else "▁"
    chosen = [logits[words.convert_tokens_to_ids(space + word)] for word in LEVELS]
    odds = [math.exp(value - max(chosen)) for value in chosen]
    return sum(w * o for w, o in zip((5, 4, 3, 2, 1), odds, strict=True)) / sum(odds)


@pytest.mark.parametrize("kind", KINDS)
def test_video_form_equals_a_hand_computation(speakers, kind):
    clip = tinies.clip(1, frames=60)  # 2.4 s: frames 0 and 25
    score = LevelReward(speakers[kind]).score([Subject(clip=clip)])[0]
    wanted = level_by_hand(speakers[kind], [clip.frames[0], clip.frames[25]], "video")
    assert score.value == pytest.approx(wanted, abs=1e-6)
    assert (score.reward, score.version) == ("qalign", f"levels-{kind}-video-1")
    assert len(score.weights) == 64


@pytest.mark.parametrize("kind", KINDS)
def test_image_form_averages_frames_seen_alone(speakers, kind):
    clip = tinies.clip(2, frames=60)
    score = LevelReward(speakers[kind], "image").score([Subject(clip=clip)])[0]
    alone = [level_by_hand(speakers[kind], [clip.frames[t]], "image") for t in (0, 25)]
    assert score.value == pytest.approx(sum(alone) / 2, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_gives_what_one_by_one_gives(speakers, kind):
    clips = [
        tinies.clip(1),
        tinies.clip(2, frames=30),
        tinies.clip(3),
        tinies.clip(4, frames=20),  # under a second: its first frame
        tinies.clip(5, size=(56, 40)),
        tinies.clip(6, size=(84, 84)),
    ]
    subjects = [Subject(clip=clip) for clip in clips]
    together = [s.value for s in LevelReward(speakers[kind]).score(subjects)]
    alone = [LevelReward(speakers[kind]).score([s])[0].value for s in subjects]
    assert together == pytest.approx(alone, abs=1e-6)
    assert all(1 <= value <= 5 for value in together)
    assert len({round(value, 6) for value in together}) == len(clips)  # the pictures are looked at
    again = [s.value for s in LevelReward(speakers[kind]).score(subjects)]
    assert again == together


def test_levels_are_seen_through(speakers):
    reward = LevelReward(speakers["qwen2_vl"], "image")
    clip = tinies.clip(7, frames=60)
    value = reward.score([Subject(clip=clip)])[0].value
    detail = reward.detail(Subject(clip=clip))
    assert isinstance(reward, Detailed)
    chances = [detail.values[f"level_{word}"] for word in LEVELS]
    assert sum(chances) == pytest.approx(1)
    assert np.dot(chances, [5, 4, 3, 2, 1]) == pytest.approx(value)
    assert detail.values["qalign_unit"] == pytest.approx((value - 1) / 4)
    line = detail.curves["qalign"]
    assert np.flatnonzero(np.isfinite(line)).tolist() == [0, 25]
    assert line[[0, 25]].mean() == pytest.approx(value)


def test_softmax_is_in_float32():
    logits = torch.tensor([[12.0, 11.9, 3.0, 2.0, 1.0]], dtype=torch.bfloat16)
    wanted = torch.softmax(logits.double(), dim=-1)
    assert probabilities(logits).dtype == torch.float32
    assert torch.allclose(probabilities(logits).double(), wanted, atol=1e-7)


def test_tokenizers_that_drop_spaces_give_the_bare_word():
    known = ["<unk>", "The", "quality", "of", "the", "image", "is"]
    vocabulary = {word: i for i, word in enumerate(known)}
    vocabulary |= {word: 20 + i for i, word in enumerate(LEVELS)}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    words = PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>")
    assert level_tokens(words, "image") == [20, 21, 22, 23, 24]


def test_levels_of_several_tokens_are_refused():
    with pytest.raises(CheckpointError, match="each as one token"):
        level_tokens(tinies.tokenizer(size=280), "image")


def test_unknown_levels_are_refused():
    inner = Tokenizer(models.WordLevel({"<unk>": 0, "is": 1}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    words = PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>")
    with pytest.raises(CheckpointError, match="each as one token"):
        level_tokens(words, "image")


def damage_nothing(folder):
    shutil.rmtree(folder)


def damage_config(folder):
    (folder / "config.json").write_text("{")


def damage_weights(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:5000])


def damage_tensors(folder):
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    tensors = load_file(path)
    del tensors[next(key for key in tensors if "layers.1.mlp" in key)]
    save_file(tensors, path, metadata={"format": "pt"})


def damage_template(folder):
    (folder / "chat_template.jinja").unlink()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (damage_nothing, "no such folder"),
        (damage_config, "can't be read as a vision-language model"),
        (damage_weights, "can't be read as a vision-language model"),
        (damage_tensors, "1 weights missing"),
        (damage_template, "no chat template"),
    ],
)
def test_missing_and_damaged_folders_say_so_in_one_line(qwen, tmp_path, damage, reason):
    folder = tmp_path / "model"
    shutil.copytree(qwen, folder)
    damage(folder)
    with pytest.raises(CheckpointError, match=reason) as error:
        ChatModel.load(folder, Placement())
    assert "\n" not in str(error.value)


def test_no_big_library_is_imported_unless_needed():
    code = (
        "import sys, likeness.rewards.sets; "
        "sys.exit(bool({'transformers', 'open_clip', 'peft'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
