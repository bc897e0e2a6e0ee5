"""The one way from a workspace's clips to a browser: signed addresses, whole files or ranges.

Films go from the disk to the socket piece by piece; they are never held in memory.
"""

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from likeness.dashboards.media.signing import PLACE, holds
from likeness.dashboards.media.views import view_of
from likeness.store.errors import LikenessError
from likeness.store.workspace import Workspace

_HEADERS = {
    "Cache-Control": "private, max-age=3600",
    "Content-Security-Policy": "default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def media_route(workspace: Workspace) -> Route:
    """Make the route that answers the addresses of `signing` for one workspace."""

    def answer(request: Request) -> Response:
        clip, asked = request.path_params["clip"], request.query_params
        if not holds(clip, asked.get("until", ""), asked.get("mark", "")):
            return _refused(403, "this address has run out or was changed; open the page again")
        try:
            view = view_of(workspace, clip)
        except LikenessError as error:
            return _refused(404, str(error))
        return FileResponse(view, media_type="video/mp4", headers=_HEADERS)

    return Route(f"{PLACE}/{{clip}}.mp4", answer, methods=["GET", "HEAD"])


def _refused(code: int, why: str) -> Response:
    return PlainTextResponse(why, code, {"X-Content-Type-Options": "nosniff"})
