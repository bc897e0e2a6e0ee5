"""The server behind `likeness dashboard`: the pages and the films, for this machine alone."""

import socket
from pathlib import Path

from likeness.dashboards import desk, theme
from likeness.store.errors import LikenessError
from likeness.store.workspace import Workspace

HOST = "127.0.0.1"
NAMES = ("localhost", HOST)  # what a browser may call the server; keeps rebound names out
SCRIPT = Path(__file__).with_name("app.py")


class ServingError(LikenessError):
    """A server that can't be started."""


def serve(workspace: Workspace, database: str | None, port: int) -> None:
    """Show a workspace until the process is interrupted.

    Args:
        workspace: what the pages are about.
        database: the URL it was opened with, if it lies in PostgreSQL.
        port: to listen on, of this machine only.

    Raises:
        ServingError: something else listens there.

    """
    import streamlit as st
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    # Imported before anybody waits for them.
    import likeness.benchmark.gate
    import likeness.dashboards.charts  # noqa: F401 - plotly, for the pages
    from likeness.dashboards.media.route import media_route

    _check_free(port)
    desk.put_down(workspace.path, database)
    app = st.App(
        SCRIPT,
        routes=[media_route(workspace)],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(NAMES))],
    )
    app.run(
        config={
            **theme.settings(),
            "server.address": HOST,
            "server.port": port,
            "server.allowedHosts": list(NAMES),
            "server.headless": True,
            "server.fileWatcherType": "none",
            "browser.gatherUsageStats": False,
            "client.toolbarMode": "viewer",
            "client.showErrorDetails": "none",
            "client.showErrorLinks": False,
            "logger.hideWelcomeMessage": True,
        }
    )


def _check_free(port: int) -> None:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((HOST, port))
        except OSError as error:
            raise ServingError(
                f"port {port} is taken ({error.strerror}); give another with --port"
            ) from error
