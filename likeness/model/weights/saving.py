"""Writing over files that may still be read from."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from transformers import PreTrainedModel
from transformers.utils import logging


@contextmanager
def refreshing(folder: Path) -> Iterator[Path]:
    """Yield an empty folder whose files take their places in ``folder`` when the block ends.

    Weights are read from their files when they are first used, so these must not be written into:
    what is replaced as a whole lives on for who reads it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as fresh:
        yield Path(fresh)
        for file in sorted(Path(fresh).iterdir()):
            os.replace(file, folder / file.name)


def save_quietly(model: PreTrainedModel, folder: Path) -> None:
    """Write a model as transformers does, without its progress bar."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        model.save_pretrained(folder)
    finally:
        if shown:
            logging.enable_progress_bar()
