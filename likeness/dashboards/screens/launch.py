"""The form that starts an alignment, made of the recipe's own settings."""

from typing import Any

import streamlit as st

from likeness.dashboards import desk, launching
from likeness.dashboards.reading import forms
from likeness.dashboards.reading.forms import Entry
from likeness.dashboards.wording import plain
from likeness.store.errors import LikenessError

TABLES = {
    "masked_dpo": ("masked_dpo", "pairs", "masks"),
    "online_dpo": ("online", "masked_dpo", "mining", "masks"),
    "grpo": ("rollouts", "grpo"),
    "nft": ("rollouts", "nft"),
}
"""The tables of a recipe that an algorithm reads, the one most changed first."""


def show_launch() -> None:
    """Draw the form, check what was typed, and start the run."""
    with st.spinner("Loading the recipes"):
        from likeness.alignment.recipe import RECIPES  # brings torch: not before it is wanted

    left, middle, right = st.columns(3)
    recipe = left.selectbox("Recipe", RECIPES.names(), key="recipe", bind="query-params")
    name = middle.text_input("Name of the run", key="name", placeholder="my-first-run")
    checkpoint = right.text_input(
        "Checkpoint", "tiny", help="A preset's name, or the folder of a checkpoint."
    )
    rewards = left.selectbox("People", ["testbed", "real"], help="Whose rewards judge.")
    if recipe is None:
        return
    base = RECIPES.load(recipe)
    found = forms.entries(base)
    grouped = forms.tables(found)
    given: dict[str, Any] = {}
    for place, table in enumerate(TABLES[base.algorithm]):
        with st.expander(table, expanded=place == 0):
            columns = st.columns(4)
            for number, entry in enumerate(grouped[table]):
                with columns[number % 4]:
                    given[entry.path] = _ask(entry, recipe)
    words = forms.words(found, given)
    fault = _fault(recipe, words, name or "")
    st.code(
        " ".join(
            ["likeness align", recipe, *words, "--name", name or "NAME", "--workspace", "..."]
        ),
        language=None,
        wrap_lines=True,
    )
    if fault:
        st.warning(plain(fault))
    if st.button("Launch", type="primary", disabled=bool(fault)):
        _launch(recipe, words, name or "", checkpoint or "tiny", rewards or "testbed")


def _ask(entry: Entry, recipe: str) -> Any:
    label, key = entry.path.partition(".")[2], f"{recipe} {entry.path}"
    if entry.kind == "switch":
        return st.checkbox(label, entry.value, key=key)
    if entry.kind == "choice":
        return st.selectbox(label, entry.choices, entry.choices.index(entry.value), key=key)
    if entry.kind == "whole":
        return st.number_input(label, value=entry.value, step=1, key=key)
    if entry.kind == "number":
        return st.number_input(label, value=entry.value, step=None, format="%g", key=key)
    return st.text_input(label, entry.value, key=key)


def _fault(recipe: str, words: list[str], name: str) -> str:
    from likeness.alignment.recipe import RECIPES

    try:
        RECIPES.load(recipe, words)
        if not name:
            return "Give the run a name."
        launching.check_name(desk.workspace().path, name)
    except LikenessError as error:
        return str(error)
    return ""


def _launch(recipe: str, words: list[str], name: str, checkpoint: str, rewards: str) -> None:
    try:
        launching.align(
            desk.workspace().path.absolute(),
            name,
            recipe=recipe,
            settings=words,
            checkpoint=checkpoint,
            rewards=rewards,
        )
    except (LikenessError, OSError) as error:
        st.error(plain(str(error)))
        return
    st.success(f"{plain(name)} is starting. Its curves appear under Watch with its first step.")
    st.page_link(st.session_state["pages"]["runs"], label="Watch it", query_params={"run": name})
