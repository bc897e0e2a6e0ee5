"""Parts of a checkpoint that an import brings: each is checked whole before anything is written."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from likeness.model.config import GeneratorConfig, ModelError
from likeness.model.encoders.text import PLACE as TEXT_PLACE
from likeness.model.encoders.text import TOKENIZER, read_tokenizer, write_tokenizer
from likeness.model.encoders.wan_codec import WanCodec
from likeness.model.encoders.wav2vec2 import (
    SETTINGS,
    Wav2Vec2Speech,
    published_settings,
    read_settings,
    write_settings,
)
from likeness.model.weights import published
from likeness.model.weights.loading import Naming, check_tensors
from likeness.model.weights.tensor_files import (
    FLOATS,
    STEM,
    TEXT_STEM,
    Entry,
    TensorFiles,
    write_shards,
)

_TYPES = {word: dtype for dtype, word in FLOATS.items()}


@dataclass(frozen=True, kw_only=True)
class Part:
    """A model's tensors in a checkpoint, and how they go into another.

    Attributes:
        place: folder that it is written into.
        source: where it comes from, for messages.
        files: its tensors.
        names: ours of each to the checkpoint's.
        entries: what is written, by our name.
        beside: writes what belongs beside the tensors into a folder.
        stem: that the files' names begin with.
        drawn: gives a tensor that the checkpoint has not.

    """

    place: str
    source: Path
    files: TensorFiles
    names: Mapping[str, str]
    entries: Mapping[str, Entry]
    beside: Callable[[Path], None]
    stem: str = STEM
    drawn: Callable[[str], Tensor] | None = None

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(entry.size for entry in self.entries.values())

    def value(self, name: str) -> Tensor:
        """Read a tensor in the type that it is written in.

        Raises:
            ModelError: it is not finite in it.

        """
        dtype = self.entries[name].dtype
        if self.drawn is not None and name not in self.names:
            return self.drawn(name).to(dtype)
        tensor = self.files.read(self.names[name]).to(dtype)
        if not bool(torch.isfinite(tensor).all()):
            raise ModelError(f"{self.source}: {self.names[name]} is not finite in {FLOATS[dtype]}")
        return tensor

    def write(self, folder: Path, shard_bytes: int, written: Callable[[int], None]) -> int:
        """Write into its place in ``folder``, a tensor at a time; return the number of files."""
        place = folder / self.place
        place.mkdir()
        self.beside(place)
        entries = list(self.entries.values())
        shards = write_shards(
            place, entries, self.value, shard_bytes=shard_bytes, stem=self.stem, written=written
        )
        return len(shards)


def codec_part(config: GeneratorConfig, folder: Path) -> Part:
    """Check the VAE of a folder; its tensors keep their types."""
    vae: Any = published.vae(folder)
    _check_size(folder, "z_dim", vae.config.z_dim, config, "in_channels")
    return _checked(WanCodec.place, folder, vae, beside=vae.save_config)


def text_part(
    config: GeneratorConfig, folder: Path, tokenizer_folder: Path, dtype: torch.dtype
) -> Part:
    """Check a UMT5 encoder and its tokenizer."""
    model = published.text_encoder(folder)
    _check_size(folder, "d_model", model.config.d_model, config, "text_dim")
    tokenizer = read_tokenizer(tokenizer_folder / TOKENIZER)
    if tokenizer.get_vocab_size() > model.config.vocab_size:
        raise ModelError(
            f"{tokenizer_folder} knows {tokenizer.get_vocab_size()} tokens and {folder} "
            f"{model.config.vocab_size}: they are not of one encoder"
        )

    def beside(place: Path) -> None:
        model.config.save_pretrained(place)
        write_tokenizer(tokenizer, config.text_length, place)

    def kept(name: str) -> torch.dtype:
        # Half precision has not the range for what comes out of these (as transformers knows).
        wide = dtype == torch.float16 and ".wo." in name
        return torch.float32 if wide else dtype

    return _checked(
        TEXT_PLACE, folder, model, beside=beside, naming=published.text_names, kept=kept
    )


def speech_part(config: GeneratorConfig, folder: Path) -> Part:
    """Check a Wav2Vec2 encoder; its tensors keep their types, a head is left behind."""
    model = published.speech_encoder(folder)
    _check_size(folder, "hidden_size", model.config.hidden_size, config, "audio_dim")
    own = (folder / SETTINGS).is_file()
    settings = read_settings(folder) if own else published_settings(folder)

    def beside(place: Path) -> None:
        model.config.save_pretrained(place)
        write_settings(settings, place)

    return _checked(
        str(Wav2Vec2Speech.place), folder, model, beside=beside, naming=published.speech_names
    )


def _checked(
    place: str,
    folder: Path,
    model: nn.Module,
    *,
    beside: Callable[[Path], None],
    naming: Naming = published.same_names,
    kept: Callable[[str], torch.dtype] | None = None,
) -> Part:
    files = TensorFiles.open(folder)
    names = naming(files.places)
    check_tensors(folder, files, names, model, new=False)
    entries: dict[str, Entry] = {}
    for name, theirs in _once(model.state_dict(), names):
        found = files.places[theirs]
        dtype = _TYPES[found.dtype] if kept is None else kept(name)
        entries[name] = Entry(name=name, shape=found.shape, dtype=dtype)
    return Part(
        place=place,
        source=folder,
        files=files,
        names=names,
        entries=entries,
        beside=beside,
        stem=STEM if place == WanCodec.place else TEXT_STEM,
    )


def _once(wanted: Iterable[str], names: Mapping[str, str]) -> list[tuple[str, str]]:
    """Pair names, ours and theirs; a tensor of two names stands once."""
    seen: dict[str, str] = {}
    for name in wanted:
        seen.setdefault(names[name], name)
    return [(ours, theirs) for theirs, ours in seen.items()]


def _check_size(folder: Path, name: str, size: int, config: GeneratorConfig, wanted: str) -> None:
    if size != config.transformer[wanted]:
        raise ModelError(
            f"{folder / 'config.json'} says {name} {size}, {config.preset} takes "
            f"{config.transformer[wanted]}: give the one that belongs to it"
        )
