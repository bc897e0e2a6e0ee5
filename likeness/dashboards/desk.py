"""The workspace that the pages read."""

import os
from pathlib import Path

import streamlit as st

from likeness.store.workspace import Workspace

FOLDER, DATABASE = "LIKENESS_WORKSPACE", "LIKENESS_DATABASE"


def put_down(folder: Path, database: str | None) -> None:
    """Say to this process which workspace its pages are about."""
    os.environ[FOLDER] = str(folder.absolute())
    if database:
        os.environ[DATABASE] = database
    else:
        os.environ.pop(DATABASE, None)


def workspace() -> Workspace:
    """Return the workspace, opened once a process.

    Raises:
        WorkspaceError: it can't be opened.

    """
    return _opened(os.environ[FOLDER], os.environ.get(DATABASE))


@st.cache_resource(show_spinner=False, on_release=Workspace.close)
def _opened(folder: str, database: str | None) -> Workspace:
    return Workspace.open(folder, database)


def name() -> str:
    """Return the workspace's folder as pages show it."""
    return os.environ[FOLDER]


def database() -> str | None:
    """Return the URL of the workspace's database where it lies in PostgreSQL."""
    return os.environ.get(DATABASE)


def demo_folder() -> Path | None:
    """Return the folder whose `likeness demo` fills this very workspace, if there is one."""
    folder = Path(os.environ[FOLDER])
    return folder.parent if folder.name == "workspace" and not database() else None
