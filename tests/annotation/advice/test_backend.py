"""The calls of Label Studio's ML connector, over a real socket."""

import json
import threading
import urllib.error
import urllib.request

import pytest

from likeness.annotation.advice.backend import Advice, BackendError, answer, choices_of, server

CONFIG = """<View><HyperText name="page" value="$media"/>
<Choices name="overall" toName="page"><Choice value="left"/></Choices></View>"""
FOR_REVIEWERS = {"reviewers-view": {"overall": Advice(left=0.2), "unasked": Advice(left=0.9)}}


def advise(key: str) -> dict[str, Advice]:
    return FOR_REVIEWERS.get(key, {})


@pytest.fixture
def url():
    serving = server(("127.0.0.1", 0), advise, "preference-1")
    thread = threading.Thread(target=serving.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{serving.server_address[1]}"
    serving.shutdown()
    thread.join()
    serving.server_close()


def call(url: str, body: object = None) -> dict:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data=data), timeout=20) as told:
        return json.load(told)


def request(*keys: str) -> dict:
    return {
        "tasks": [{"id": n, "data": {"key": key}} for n, key in enumerate(keys)],
        "project": "3.1763769600",
        "label_config": CONFIG,
        "params": {"login": None, "password": None, "context": None},
    }


def test_a_reviewer_sees_the_prediction_and_an_annotator_none(url):
    results = call(f"{url}/predict", request("reviewers-view", "annotators-view"))["results"]
    assert len(results) == 2 and results[1] == []
    (prediction,) = results[0]
    assert prediction["model_version"] == "preference-1"
    assert prediction["score"] == pytest.approx(0.8)
    (region,) = prediction["result"]
    assert region | {"score": 0} == {
        "from_name": "overall",
        "to_name": "page",
        "type": "choices",
        "score": 0,
        "value": {"choices": ["right"]},
    }


def test_an_annotators_project_gets_empty_predictions_only(url):
    results = call(f"{url}/predict", request("one", "two", "three"))["results"]
    assert results == [[], [], []]  # as many as tasks, or Label Studio asks again one by one


def test_health_setup_versions_and_webhook(url):
    assert call(f"{url}/health")["status"] == "UP"
    setup = {"project": "3.1", "schema": CONFIG, "hostname": "", "access_token": "t"}
    assert call(f"{url}/setup", setup)["model_version"] == "preference-1"
    assert call(f"{url}/versions") == {"versions": ["preference-1"]}
    assert call(f"{url}/webhook", {"action": "START_TRAINING", "project": {}}) == {}


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/elsewhere", {}, "no such call"),
        ("/predict", {}, "no list of tasks"),
        ("/predict", [], ""),
    ],
)
def test_bad_requests_are_refused(url, path, body, expected):
    with pytest.raises(urllib.error.HTTPError) as refused:
        call(url + path, body)
    assert refused.value.code == 400 and expected in json.load(refused.value)["error"]


def test_tasks_that_are_not_ours_get_nothing():
    odd = {**request(), "tasks": [{"data": {}}, {"data": None}, "text", {"data": {"key": 5}}]}
    assert answer("/predict", odd, advise, "v")["results"] == [[], [], [], []]


def test_a_config_with_entities_is_refused():
    assert choices_of(f"<!-- ours -->{CONFIG}") == {"overall": "page"}
    with pytest.raises(BackendError, match="entities"):
        choices_of('<!DOCTYPE x [<!ENTITY a "b">]><View/>')
    with pytest.raises(BackendError, match="no XML"):
        choices_of("")
