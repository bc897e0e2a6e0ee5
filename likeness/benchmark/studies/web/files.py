"""The pages that are the same for everybody."""

from functools import cache
from html import escape
from importlib.resources import files
from string import Template

_KINDS = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}
_ASSETS = ("/page.js", "/page.css")


def asset(path: str) -> tuple[str, bytes] | None:
    """Return kind and bytes of a script or style; None where the path is of none."""
    if path not in _ASSETS:
        return None
    return _KINDS[path.rpartition(".")[2]], _text(path.removeprefix("/")).encode()


def page(title: str) -> bytes:
    """Write the page in which a study is done."""
    return Template(_text("page.html")).substitute(title=escape(title)).encode()


def told(title: str, message: str) -> bytes:
    """Write a page that says one thing."""
    filled = {"title": escape(title), "message": escape(message)}
    return Template(_text("told.html")).substitute(filled).encode()


@cache
def _text(name: str) -> str:
    return files("likeness.benchmark.studies.web").joinpath(name).read_text("utf-8")
