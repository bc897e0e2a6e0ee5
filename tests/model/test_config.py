import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from accelerate import init_empty_weights
from diffusers import WanTransformer3DModel

from likeness.model import Generator, GeneratorConfig, ModelError
from likeness.model.config import PRESETS, preset_named
from likeness.model.cost.parameters import is_added, parts_of, skeleton
from likeness.model.sampling.settings import SamplerSettings
from likeness.store.weights import packaged

WAN = {"wan2.1-1.3b": 1_418_996_800, "wan2.1-14b": 14_288_491_584}  # published parameters


@pytest.mark.parametrize("preset", WAN)
def test_wan_presets_are_of_the_papers_clip_and_sampler(preset):
    config = preset_named(preset)
    assert (config.height, config.width, config.frames, config.fps) == (480, 896, 81, 25.0)
    assert (config.steps, config.audio_guidance, config.text_guidance) == (24, 1.8, 5.0)
    assert config.prediction == "velocity"
    assert config.latent_frames * config.token_size[0] * config.token_size[1] == 35_280
    assert config.latent_size == (60, 112)


@pytest.mark.parametrize("preset", WAN)
def test_wans_part_of_the_parameters_is_wans(preset):
    config = preset_named(preset)
    ours = skeleton(config)
    assert all(p.is_meta for p in ours.parameters())
    assert not ours.rope.freqs_cos.is_meta
    arguments = {k: v for k, v in config.transformer.items() if not k.startswith("audio_")}
    with init_empty_weights():
        wan = WanTransformer3DModel(**arguments)
    shapes = {name: tensor.shape for name, tensor in wan.state_dict().items()}
    kept = {n: t.shape for n, t in ours.state_dict().items() if not is_added(n)}
    assert kept == shapes
    parts = parts_of(ours)
    assert sum(part.parameters for part in parts if part.wan) == WAN[preset]
    assert sum(part.parameters for part in parts) == sum(p.numel() for p in ours.parameters())


def test_every_preset_builds():
    for config in PRESETS.values():
        assert skeleton(config).config.num_layers == config.transformer["num_layers"]


def test_an_unknown_preset_names_the_known_ones():
    with pytest.raises(ModelError, match=r"no preset called 'wan3'; known are tiny, wan2\.1-1\.3b"):
        preset_named("wan3")


def test_both_forms_of_the_configuration_are_read(config):
    new = config.to_dict()
    assert GeneratorConfig.from_dict(json.loads(json.dumps(new))).to_dict() == json.loads(
        json.dumps(new)
    ) | {"transformer": new["transformer"] | {"patch_size": [1, 2, 2]}}
    old = {k: v for k, v in new.items() if k not in ("height", "width")} | {"size": 96}
    read = GeneratorConfig.from_dict(old)
    assert (read.height, read.width) == (96, 96)
    assert GeneratorConfig.from_dict(json.loads(packaged("tiny/config.json").read_text()))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"height": 100}, "model.height must be a multiple of 16, got 100"),
        ({"width": 0}, "model.width must be a multiple of 16, got 0"),
        ({"frames": 80}, r"model.frames must be 1 \+ 4k, got 80"),
        ({"sice": 64}, "model.sice is no setting"),
    ],
)
def test_bad_settings_are_told(config, changes, message):
    with pytest.raises(ModelError, match=message):
        GeneratorConfig.from_dict(config.to_dict() | changes)


def test_frames_need_not_be_square(generator, request_of):
    wide = replace(generator.config, height=48, width=96)
    made = Generator(wide, generator.transformer, generator.codec, generator.text)
    assert made.latent_shape == (8, 7, 6, 12)
    cond = made.condition([request_of(0)])
    assert cond.background.shape[-2:] == (6, 12)
    assert cond.reference_keep.shape[1] == 3 * 3 * 6
    assert cond.hidden_pixels.shape == (1, 48, 96)
    latents = made.sample(cond, seeds=[1], settings=SamplerSettings(steps=2))
    assert made.decode(latents).shape == (1, 25, 48, 96, 3)


def test_a_tall_reference_keeps_its_faces_place(generator, request_of):
    plain = request_of(0)
    tall = replace(
        plain,
        reference=replace(plain.reference, frames=np.repeat(plain.reference.frames, 2, 1)),
        reference_boxes=plain.reference_boxes * np.array([1, 2, 1, 2], np.float32),
    )
    same = replace(generator.config, height=64, width=64)
    made = Generator(same, generator.transformer, generator.codec, generator.text)
    a, b = made.condition([plain]), made.condition([tall])
    assert torch.equal(a.reference_keep, b.reference_keep)
