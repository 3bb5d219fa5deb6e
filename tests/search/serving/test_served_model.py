"""A registered model behind `mlflow models serve`: a real server on loopback and a real HTTP client."""

from __future__ import annotations

import base64
import http.client
import io
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from mlflow.exceptions import MlflowException
from model_server import ask, serving
from PIL import Image

from apertune.search.prediction.predictor import open_predictor
from apertune.search.serving.host_guard import HostGuard
from apertune.search.serving.request_limits import LARGEST_BODY
from apertune.search.serving.served_model import ServedModel


@pytest.fixture(scope="module")
def server(shades_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a scoring server for the shades model."""
    with serving(str(shades_model), tmp_path_factory.mktemp("server") / "log", os.environ) as address:
        yield address


def encoded(level: int, size: tuple[int, int], kind: str, mode: str = "RGB") -> str:
    buffer = io.BytesIO()
    Image.new(mode, size, (level,) * 3 if mode == "RGB" else level).save(buffer, kind)
    return base64.b64encode(buffer.getvalue()).decode()


def test_pixels_are_answered(server: str) -> None:
    """Raw pixels of the network's size, and of another, are answered with names and probabilities."""
    images = np.stack([np.full((16, 16, 3), level) for level in (0, 128, 255)])
    status, answers = ask(server, {"inputs": images.tolist()})
    assert status == 200
    assert [answer["name"] for answer in answers] == ["dark", "middle", "light"]
    assert answers[2]["probability"] == pytest.approx(answers[2]["probabilities"]["light"])
    status, answers = ask(server, {"inputs": np.full((1, 5, 40, 1), 255).tolist()})
    assert (status, answers[0]["name"]) == (200, "light")


@pytest.mark.parametrize(
    "document",
    [
        {"inputs": [encoded(3, (640, 480), "JPEG"), encoded(250, (7, 9), "PNG")]},
        {"instances": [{"b64": encoded(3, (640, 480), "JPEG")}, {"b64": encoded(250, (7, 9), "PNG", "L")}]},
        {"inputs": {"image": [encoded(3, (20, 20), "WEBP"), encoded(250, (7, 9), "BMP")]}},
        {"dataframe_records": [{"image": encoded(3, (64, 48), "JPEG")}, {"image": encoded(250, (70, 9), "PNG")}]},
        {"inputs": ["data:image/png;base64," + encoded(3, (64, 48), "PNG"), encoded(250, (70, 9), "PNG")]},
    ],
)
def test_image_files_are_answered(server: str, document: object) -> None:
    """Encoded image files of any size are answered in each form that MLflow's server takes."""
    status, answers = ask(server, document)
    assert (status, [answer["name"] for answer in answers]) == (200, ["dark", "light"])


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"inputs": ["bm8gcGljdHVyZQ=="]}, "not an image"),
        ({"inputs": ["***"]}, "base64"),
        ({"inputs": [[[[300, 0, 0]]]]}, "whole numbers from 0 to 255"),
        ({"inputs": [[[[0.5, 0, 0]]]]}, "whole numbers from 0 to 255"),
        ({"inputs": [[1, 2, 3]]}, "(height, width, 1 or 3 channels)"),
        ({"inputs": []}, "1 to 1024 images"),
        ({"inputs": {"picture": ["x"]}}, "field image or b64"),
        ({"dataframe_records": [{"x": 1}]}, "field image or b64"),
        ({"inputs": [[[[1, 2, 3]], [[1, 2]]]]}, ""),
        ({"inputs": None}, ""),
        ({"pictures": []}, ""),
        ([], ""),
    ],
)
def test_bad_requests_get_a_reason(server: str, document: object, reason: str) -> None:
    """A request that is not images is answered with 4xx and the reason, and the server lives on."""
    status, reply = ask(server, document)
    assert 400 <= status < 500, reply
    assert reason in reply
    assert ask(server, {"inputs": np.zeros((1, 16, 16, 3), int).tolist()})[0] == 200


def post(server: str, body: bytes, **headers: str) -> tuple[int, str]:
    """The status and the text of the answer to a body that is sent as it is."""
    connection = http.client.HTTPConnection(server.removeprefix("http://"), timeout=120)
    try:
        connection.request("POST", "/invocations", body, headers)
        reply = connection.getresponse()
        return reply.status, reply.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize(
    "body",
    [
        b'{"inputs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"inputs": ' + b"[" * 900 + b"1" + b"]" * 900 + b"}",
        b'{"a": ' * 50_000 + b"1" + b"}" * 50_000,
        b'{"inputs": [[[[' + b"1" * 5000 + b"]]]]}",
        b'{"inputs": [[[[1e999999]]]]}',
        b'{"inputs": [[[[' + b"9" * 400 + b"]]]]}",
        b'{"inputs": ["\\ud800"]}',
        b'{"inputs": "\xff\xfe"}',
        b'{"dataframe_split": {"columns": [[1]], "data": 3}}',
        b'{"dataframe_records": [1, 2]}',
        b'{"instances": {"a": {"b": []}}}',
        b"\x00" * 100,
        b"",
    ],
    ids=range(13),
)
def test_hostile_json_is_a_bad_request(server: str, body: bytes) -> None:
    """Deep JSON, endless numbers and broken text are faults of the request: 400 with a reason, never 500."""
    status, reply = post(server, body, **{"Content-Type": "application/json"})
    assert status == 400, reply[:300]
    assert reply
    assert ask(server, {"inputs": np.zeros((1, 16, 16, 3), int).tolist()})[0] == 200


@pytest.mark.parametrize(
    "kind", [None, "text/csv", "application/vnd.apache.parquet", "application/octet-stream", "x; y"]
)
def test_other_content_is_a_bad_request(server: str, kind: str | None) -> None:
    """A body of another type, or of none, is answered with 4xx, whatever it holds."""
    headers = {} if kind is None else {"Content-Type": kind}
    status, reply = post(server, b"\xff\x00 not what it says", **headers)
    assert 400 <= status < 500, reply[:300]


def test_a_body_too_large_is_refused(server: str) -> None:
    """The server does not take gigabytes into memory."""
    status, reply = post(server, b" " * (LARGEST_BODY + 1), **{"Content-Type": "application/json"})
    assert (status, reply) == (413, "a request must be at most 256 MB; send the images in several requests")


def test_pixels_of_a_request_are_bounded(shades_model: Path) -> None:
    """Small files may hold huge pictures; together they may take seconds of decoding, not minutes."""
    model = ServedModel(open_predictor(shades_model))
    picture = encoded(3, (7000, 7000), "PNG", "L")
    began = time.process_time()
    with pytest.raises(MlflowException, match="image 10: the images of a request must have at most 500,000,000 pixels"):
        model.predict([picture] * 200)
    assert time.process_time() - began < 30
    assert len(model.predict([picture] * 2)) == 2


@pytest.mark.parametrize("path", ["/invocations", "/ping", "/health", "/version", "/docs", "/../../etc/passwd"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "10.evil.example"},
        {"Host": "localhost.evil.example:5000"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ],
)
def test_foreign_pages_are_refused(server: str, path: str, headers: dict[str, str]) -> None:
    """A Host that is no address of this machine, or a foreign Origin, is answered with 403 on every route."""
    connection = http.client.HTTPConnection(server.removeprefix("http://"), timeout=60)
    try:
        method = "POST" if path == "/invocations" else "GET"
        connection.request(method, path, headers={"Content-Type": "application/json", **headers})
        reply = connection.getresponse()
        assert reply.status == 403
        assert "is not this server's; list it in MLFLOW_SERVER_" in reply.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("host", "origin", "passes"),
    [
        ("127.0.0.1:5000", None, True),
        ("[::1]:5000", None, True),
        ("192.168.0.7", None, True),
        ("localhost:5000", "http://localhost:5000", True),
        ("127.0.0.1:5000", "http://127.0.0.1:8888", False),
        ("models.example", None, True),
        ("models.example:5000", "https://app.example", True),
        ("other.example", None, False),
        ("", None, False),
        ("[", None, False),
    ],
)
def test_hosts_that_pass(host: str, origin: str | None, passes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numeric addresses, localhost and what MLflow's variables list pass; a page is answered from its own origin."""
    monkeypatch.setenv("MLFLOW_SERVER_ALLOWED_HOSTS", "models.example, *.lab.example")
    monkeypatch.setenv("MLFLOW_SERVER_CORS_ALLOWED_ORIGINS", "https://app.example")

    async def application(scope: object, receive: object, send: object) -> None: ...

    assert (HostGuard(application).refusal(host, origin) is None) is passes


def test_mlflow_reads_the_network(shades_model: Path) -> None:
    """The folder that is served is also a Keras model to MLflow."""
    import mlflow

    network = mlflow.keras.load_model(str(shades_model))
    assert network.predict_on_batch(np.zeros((1, 16, 16, 3), np.uint8)).argmax() == 0
