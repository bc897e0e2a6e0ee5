from pathlib import Path
from typing import Annotated

import typer

StudyPath = Annotated[
    Path, typer.Argument(metavar="STUDY", help="Folder of the study.", file_okay=False)
]
PublicUrl = Annotated[
    str | None,
    typer.Option("--public-url", help="How browsers reach it, such as https://study.example.org."),
]
