"""A tiny random Wan2.1 pipeline in diffusers' layout, and Wav2Vec2 in transformers'."""

from pathlib import Path

import torch
from diffusers import AutoencoderKLWan, UniPCMultistepScheduler
from safetensors.torch import load_file, save_file
from tokenizers.processors import TemplateProcessing
from transformers import UMT5Config, UMT5EncoderModel, Wav2Vec2Config, Wav2Vec2ForPreTraining
from wan_files import SIZES, wan

from likeness.model import GeneratorConfig
from likeness.model.encoders.text import word_tokenizer
from likeness.testbed.scene import VOCABULARY

WHOLE = GeneratorConfig(
    preset="wan-whole",
    height=32,
    width=48,
    frames=9,
    reference_frames=5,
    text_length=30,
    codec="wan",
    speech="wav2vec2",
    transformer=SIZES | {"audio_dim": 12},
)
VAE = {
    "base_dim": 4,
    "z_dim": 4,
    "dim_mult": [1, 2, 2, 2],
    "num_res_blocks": 1,
    "latents_mean": [0.3, -0.2, 0.1, 0.0],
    "latents_std": [1.5, 0.7, 2.0, 1.0],
}


def write_pipeline(folder: Path) -> Path:
    """Write all that `WanPipeline.save_pretrained` writes."""
    tokenizer = word_tokenizer(list(VOCABULARY))
    tokenizer.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    (folder / "tokenizer").mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer" / "tokenizer.json"))
    text = UMT5Config(
        vocab_size=tokenizer.get_vocab_size() + 3,
        d_model=SIZES["text_dim"],
        d_kv=4,
        d_ff=20,
        num_layers=1,
        num_heads=2,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        UMT5EncoderModel(text).save_pretrained(folder / "text_encoder", max_shard_size="4KB")
        AutoencoderKLWan(**VAE).save_pretrained(folder / "vae")
    wan().save_pretrained(folder / "transformer", max_shard_size="20KB")
    UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=5.0
    ).save_pretrained(folder / "scheduler")
    return folder


def write_wav2vec2(folder: Path, *, old: bool = False) -> Path:
    """Write a pre-trained one with its heads; `old`: as torch before 2.0 named norms of weights."""
    config = Wav2Vec2Config(
        hidden_size=12,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=[8] * 7,
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
        num_codevectors_per_group=4,
        codevector_dim=8,
        proj_codevector_dim=8,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        Wav2Vec2ForPreTraining(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(
        '{"do_normalize": false, "sampling_rate": 16000}'
    )
    file = folder / "model.safetensors"
    state = load_file(file)
    for number, leaf in enumerate(("weight_g", "weight_v")):
        names = (f"parametrizations.weight.original{number}", leaf)
        found, wanted = names if old else names[::-1]
        state = {name.replace(found, wanted): tensor for name, tensor in state.items()}
    assert any(("weight_g" if old else "original0") in name for name in state)
    save_file(state, file)
    return folder
