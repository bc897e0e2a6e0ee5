"""The verbs of the command, and what is said of each without importing it."""

from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from likeness.cli.options import family


@dataclass(frozen=True, kw_only=True)
class Verb:
    """One verb.

    Attributes:
        name: as typed.
        target: `module:attribute` of a function, or of a Typer for verbs with verbs of their own.
        help: one line for `likeness --help`, short enough for 80 columns.

    """

    name: str
    target: str
    help: str

    def load(self) -> Any:
        """Import the verb's code and make its command."""
        module, attribute = self.target.split(":")
        target = getattr(import_module(f"likeness.cli.{module}"), attribute)
        if not isinstance(target, typer.Typer):
            function, target = target, family()
            target.command(self.name)(function)
        return get_command(target)


VERBS: dict[str, Verb] = {
    verb.name: verb
    for verb in (
        Verb(
            name="demo",
            target="demo:demo",
            help="Run the whole loop, on the testbed or your own clips.",
        ),
        Verb(
            name="generate",
            target="generate:generate",
            help="Generate clips of a person in another scene.",
        ),
        Verb(
            name="inspect",
            target="inspect:inspect",
            help="Say what a file tells of its making: marks, manifest.",
        ),
        Verb(
            name="score",
            target="score:score",
            help="Score clips for identity, lip sync, motion and quality.",
        ),
        Verb(
            name="rewards",
            target="rewards:app",
            help="Check and calibrate rewards; learn one from votes.",
        ),
        Verb(
            name="pairs",
            target="pairs:pairs",
            help="Score a workspace's samples and mine preference pairs.",
        ),
        Verb(
            name="train",
            target="train:train",
            help="Train a generator in stages, from a recipe.",
        ),
        Verb(
            name="align",
            target="align:app",
            help="Align a checkpoint on preferences: masked DPO and others.",
        ),
        Verb(
            name="benchmark",
            target="benchmark:app",
            help="Compare checkpoints on a cross-scene suite: the board.",
        ),
        Verb(
            name="annotate",
            target="annotate:app",
            help="What people said of clips: who agrees with whom.",
        ),
        Verb(
            name="study",
            target="study:app",
            help="Rating studies and Turing tests: hold and analyse them.",
        ),
        Verb(
            name="corpus",
            target="corpus:app",
            help="Cut clips into windows, encoded once, to train on.",
        ),
        Verb(
            name="runs",
            target="runs:app",
            help="List, watch, stop, resume and compare runs.",
        ),
        Verb(
            name="dashboard",
            target="dashboard:dashboard",
            help="Show a workspace in the browser: clips, boards, runs.",
        ),
        Verb(
            name="testbed",
            target="testbed:app",
            help="Draw talking people; make the tiny weights from nothing.",
        ),
        Verb(
            name="model",
            target="model:app",
            help="Describe a generator: tokens, parameters, FLOPs, time.",
        ),
        Verb(
            name="weights",
            target="weights:app",
            help="List the weights and where to get them; import Wan2.1's.",
        ),
        Verb(
            name="doctor",
            target="doctor:doctor",
            help="Check that this machine has what Likeness needs.",
        ),
        Verb(
            name="consent",
            target="people:consent",
            help="Note people's leave to use their face and voice.",
        ),
        Verb(
            name="forget",
            target="people:forget",
            help="Remove a person's clips and everything made from them.",
        ),
    )
}


class Verbs(TyperGroup):
    """Lists verbs from the table, and imports the one that is called."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for verb in VERBS.values():
            self.add_command(
                TyperCommand(verb.name, help=verb.help, rich_markup_mode=None), verb.name
            )

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Replace the listed stand-in by the command itself."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, VERBS[name].load() if name in VERBS else command, rest


app = family(cls=Verbs, context_settings={"help_option_names": ["--help", "-h"]})


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"likeness {version('likeness')}")
        raise typer.Exit


@app.callback()
def likeness(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Evaluate and align talking avatars: from a reference video to a better likeness."""
