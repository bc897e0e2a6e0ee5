"""Vision-language models of two layers, with random weights, saved as the big ones are."""

from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen2VLVideoProcessor,
)

from likeness.store.clip import Clip

TEXTS = [
    "How would you rate the quality of this image? The quality of the image is excellent good fair",
    "How would you rate the quality of this video? The quality of the video is poor bad system",
    "user assistant USER: ASSISTANT: Watch it. a man talks",
]
SPECIAL = ["<pad>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"]
SPECIAL += ["<|image_pad|>", "<|video_pad|>", "<image>"]

CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}IMAGE"
    "{% elif part['type'] == 'video' %}VIDEO{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
    "{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
QWEN_CHAT = CHAT.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>").replace(
    "VIDEO", "<|vision_start|><|video_pad|><|vision_end|>"
)
LLAVA_CHAT = CHAT.replace("IMAGE", "<image>")


def tokenizer(bytewise: bool = True, size: int = 600) -> PreTrainedTokenizerFast:
    """Byte-level BPE as Qwen's, or spaces bound to words as SentencePiece does."""
    inner = Tokenizer(models.BPE())
    if bytewise:
        inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        inner.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
    else:
        inner.pre_tokenizer = pre_tokenizers.Metaspace()
        inner.decoder = decoders.Metaspace()
        alphabet = list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ:?.\n▁")
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    inner.train_from_iterator(TEXTS * 5, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", extra_special_tokens=SPECIAL[1:]
    )


def qwen(folder: Path, words: PreTrainedTokenizerFast | None = None) -> Path:
    """Save a Qwen2-VL of two layers."""
    words = words or tokenizer()
    config = Qwen2VLConfig(
        text_config={
            "vocab_size": len(words),
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [2, 1, 1],
            },
            "initializer_range": 0.3,
            "bos_token_id": None,
            "eos_token_id": None,
        },
        vision_config={
            "depth": 2,
            "embed_dim": 16,
            "hidden_size": 32,
            "num_heads": 2,
            "patch_size": 14,
            "initializer_range": 0.3,
        },
        image_token_id=words.convert_tokens_to_ids("<|image_pad|>"),
        video_token_id=words.convert_tokens_to_ids("<|video_pad|>"),
        vision_start_token_id=words.convert_tokens_to_ids("<|vision_start|>"),
        vision_end_token_id=words.convert_tokens_to_ids("<|vision_end|>"),
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Qwen2VLForConditionalGeneration(config)
    model.save_pretrained(folder)
    size = {"shortest_edge": 28 * 28, "longest_edge": 28 * 28 * 1280}
    processor = Qwen2VLProcessor(
        Qwen2VLImageProcessor(size=size),
        words,
        Qwen2VLVideoProcessor(size=size),
        chat_template=QWEN_CHAT,
    )
    processor.save_pretrained(folder)
    return folder


def llava(folder: Path) -> Path:
    """Save a LLaVA of two layers, CLIP before Llama."""
    words = tokenizer(bytewise=False)
    vision = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=28,
        patch_size=14,
        initializer_range=0.3,
    )
    text = LlamaConfig(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        initializer_range=0.3,
        bos_token_id=None,
        eos_token_id=None,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=words.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LlavaForConditionalGeneration(config)
    model.save_pretrained(folder)
    processor = LlavaProcessor(
        CLIPImageProcessor(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}),
        words,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=LLAVA_CHAT,
    )
    processor.save_pretrained(folder)
    return folder


def clip(seed: int, frames: int = 60, size: tuple[int, int] = (40, 56), fps: float = 25.0) -> Clip:
    """Coloured rectangles that move, of height and width `size`."""
    chance = np.random.default_rng(seed)
    pictures = np.empty((frames, *size, 3), dtype=np.uint8)
    pictures[:] = chance.integers(0, 255, 3)
    colour = chance.integers(0, 255, 3)
    for t in range(frames):
        pictures[t, 5:25, 5 + t % 20 : 25 + t % 20] = colour
    silence = np.zeros(0, dtype=np.float32)
    return Clip(frames=pictures, fps=fps, audio=silence, sample_rate=16_000)
