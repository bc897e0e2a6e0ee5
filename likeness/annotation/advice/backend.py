"""Label Studio's ML backend interface, as its version 1.23 calls it.

GET /health; POST /setup (project, schema, hostname, access_token, extra_params) wants
`model_version`; POST /predict (tasks, project, label_config, params) wants `results`, one list of
predictions a task; POST /webhook (action) wants any JSON object; GET /versions wants `versions`.
A task's prediction is given to the reviewer whose view it is, and to nobody else.
"""

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from likeness.store.errors import LikenessError

MOST_BYTES = 16 * 2**20  # of a request


class BackendError(LikenessError):
    """A request that is not what Label Studio sends."""


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What is predicted of one view in one dimension.

    Attributes:
        left: chance that the left clip is preferred, ties aside, 0..1.

    """

    left: float

    @property
    def choice(self) -> str:
        """The likelier side."""
        return "left" if self.left >= 0.5 else "right"

    @property
    def score(self) -> float:
        """How likely it is."""
        return max(self.left, 1 - self.left)


Adviser = Callable[[str], Mapping[str, Advice]]
"""Gives the advice on a view by its key, dimension by dimension; empty for whom it isn't."""


def answer(path: str, request: Mapping[str, Any], advise: Adviser, version: str) -> dict[str, Any]:
    """Answer one call.

    Args:
        path: such as `/predict`.
        request: its JSON; empty for GET.
        advise: what is predicted, and for whom.
        version: of the model.

    Raises:
        BackendError: the path is unknown or the request lacks something.

    """
    if path in {"/", "/health"}:
        return {"status": "UP", "model_class": "likeness"}
    if path == "/setup":
        return {"model_version": version}
    if path == "/versions":
        return {"versions": [version]}
    if path in {"/webhook", "/train"}:
        return {}  # what was voted is read from the server itself, never from here
    if path == "/predict":
        return {"results": _predictions(request, advise, version)}
    raise BackendError(f"{path}: no such call; there are health, setup, predict, webhook, versions")


def _predictions(
    request: Mapping[str, Any], advise: Adviser, version: str
) -> list[list[dict[str, Any]]]:
    tasks = request.get("tasks")
    if not isinstance(tasks, list):
        raise BackendError("predict: the request has no list of tasks")
    targets = choices_of(str(request.get("label_config", "")))
    results = []
    for task in tasks:
        data = task.get("data") if isinstance(task, dict) else None
        key = data.get("key") if isinstance(data, dict) else None
        advice = advise(key) if isinstance(key, str) else {}
        known = {name: one for name, one in advice.items() if name in targets}
        results.append([_prediction(known, targets, version)] if known else [])
    return results


def choices_of(config: str) -> dict[str, str]:
    """Read which Choices a label config has, and what each is about: name -> toName.

    Raises:
        BackendError: it is no XML.

    """
    if "<!" in config.replace("<!--", ""):
        raise BackendError("label_config declares entities, which no layout of ours does")
    try:
        root = ET.fromstring(config)
    except ET.ParseError as error:
        raise BackendError(f"label_config is no XML ({error})") from error
    return {
        str(one.get("name")): str(one.get("toName"))
        for one in root.iter("Choices")
        if one.get("name") and one.get("toName")
    }


def _prediction(
    advice: Mapping[str, Advice], targets: Mapping[str, str], version: str
) -> dict[str, Any]:
    return {
        "model_version": version,
        "score": sum(one.score for one in advice.values()) / len(advice),
        "result": [
            {
                "from_name": name,
                "to_name": targets[name],
                "type": "choices",
                "score": one.score,
                "value": {"choices": [one.choice]},
            }
            for name, one in advice.items()
        ],
    }


def server(address: tuple[str, int], advise: Adviser, version: str) -> ThreadingHTTPServer:
    """Make the server; the caller runs `serve_forever` and `shutdown`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            if length > MOST_BYTES:
                self._send(413, {"error": f"a request has {MOST_BYTES} bytes at most"})
                return
            try:
                request = json.loads(self.rfile.read(length) or b"{}")
            except ValueError as error:
                self._send(400, {"error": f"no JSON ({error})"})
                return
            if isinstance(request, dict):
                self._answer(request)
            else:
                self._send(400, {"error": "the request is no JSON object"})

        def _answer(self, request: dict[str, Any]) -> None:
            try:
                found = answer(self.path.partition("?")[0], request, advise, version)
            except BackendError as error:
                self._send(400, {"error": str(error)})
                return
            self._send(200, found)

        def _send(self, status: int, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Keep quiet: requests hold keys of views."""

    return ThreadingHTTPServer(address, Handler)
