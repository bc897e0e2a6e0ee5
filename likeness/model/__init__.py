"""The generator of TAVR and Avatar V."""

from likeness.model.conditioning import Conditioning, Request
from likeness.model.config import PRESETS, GeneratorConfig, ModelError
from likeness.model.generator import Generator

__all__ = ["PRESETS", "Conditioning", "Generator", "GeneratorConfig", "ModelError", "Request"]
