from dataclasses import replace

import pytest

from likeness.model import ModelError
from likeness.rewards.sets import WORLDS
from likeness.training.auxiliary import AuxiliaryConfig, AuxiliaryLosses, Judges
from likeness.training.auxiliary.config import LOSSES


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"identity": -1.0}, "auxiliary.identity must be 0 or more, got -1"),
        ({"pixels": float("nan")}, "auxiliary.pixels must be 0 or more, got nan"),
        ({"below": 0.0}, "auxiliary.below must be in 0..1, got 0"),
        ({"below": 1.5}, "auxiliary.below must be in 0..1, got 1.5"),
        ({"crop": 8}, "auxiliary.crop must be at least 16 pixels, got 8"),
        ({"latent_window": 1}, "latent_window must be 0 .* or at least 2, got 1"),
        ({"latent_window": -3}, "latent_window must be 0 .* or at least 2, got -3"),
        ({"latent_window": 2, "lip_sync": 1.0}, "at least 3 for lip_sync, got 2"),
    ],
)
def test_a_setting_that_cannot_be_is_named(changes, message):
    with pytest.raises(ModelError, match=message):
        AuxiliaryConfig(**changes)


def test_losses_without_a_weight_load_nothing():
    assert AuxiliaryConfig().wanted == ()
    for world in WORLDS:
        judges = Judges.load(world, AuxiliaryConfig())
        assert all(network is None for network in vars(judges).values())
    needed = {
        "identity": {"recogniser"},
        "lip_sync": {"syncnet"},
        "motion": {"landmarker", "layout"},
        "perceptual": {"features"},
        "pixels": set(),
    }
    for name in LOSSES:
        judges = Judges.load("testbed", replace(AuxiliaryConfig(), **{name: 1.0}))
        assert {k for k, v in vars(judges).items() if v is not None} == needed[name]


@pytest.mark.parametrize("name", ["identity", "motion", "perceptual"])
def test_networks_without_gradients_are_refused_and_others_named(name):
    with pytest.raises(
        ModelError, match=f"auxiliary.{name} is not .* possible are lip_sync, pixel"
    ):
        Judges.load("real", replace(AuxiliaryConfig(), **{name: 1.0}))


def test_judges_of_other_settings_are_refused(generator):
    config = AuxiliaryConfig(identity=1.0)
    with pytest.raises(ModelError, match="identity has a weight and its network was not loaded"):
        AuxiliaryLosses(config, generator, Judges.load("testbed", AuxiliaryConfig(motion=1.0)))


def test_lip_sync_wants_the_rate_that_syncnet_knows(generator):
    generator.config = replace(generator.config, fps=30.0)
    config = AuxiliaryConfig(lip_sync=1.0)
    with pytest.raises(ModelError, match="needs 25 frames a second, the generator makes 30"):
        AuxiliaryLosses(config, generator, Judges.load("testbed", config))
