"""WebServing replies over HTTP as the scripts of 0.x expect."""

import json
from threading import Thread
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

import numpy as np
import pytest

from bert4keras.snippets import WebServing


def repeat(text, n=2):
    return [text] * n


ARGUMENTS = {"text": (None, True), "n": (int, False)}


@pytest.fixture
def ask(monkeypatch):
    """Return ``ask(path, body=None, **headers)``: it sends a request, returns status and reply."""
    web = WebServing(host="127.0.0.1", port=0)
    web.route("/repeat", repeat, ARGUMENTS)
    web.route("/repeat_post", repeat, ARGUMENTS, method="post")
    web.route("/array", lambda: {"x": np.eye(2), "n": np.float32(1.5)}, {})
    web.route("/fails", lambda: 1 / 0, {})
    web.route("/strange", lambda: object(), {})
    web.route("/nan", lambda: float("nan"), {})
    with web.listen() as server:
        monkeypatch.setattr(server.RequestHandlerClass, "log_message", lambda *args: None)
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()

        def ask(path, body=None, **headers):
            request = Request(f"http://127.0.0.1:{server.server_port}{path}", body, headers)
            try:
                with urlopen(request, timeout=10) as reply:
                    return reply.status, json.loads(reply.read())
            except HTTPError as error:
                with error:
                    return error.code, json.loads(error.read())

        yield ask
        server.shutdown()


def good(data):
    return 200, {"code": 0, "desc": "succeeded", "data": data}


def test_get_takes_arguments_from_the_url(ask):
    assert ask(f"/repeat?text={quote('你好')}&n=3") == good(["你好"] * 3)
    assert ask("/repeat?text=") == good(["", ""])


def test_post_takes_arguments_from_a_form_or_json(ask):
    assert ask("/repeat_post", urlencode({"text": "好", "n": 1}).encode()) == good(["好"])
    body = json.dumps({"text": "好", "n": 1}).encode()
    assert ask("/repeat_post", body, **{"Content-Type": "application/json"}) == good(["好"])


def test_reply_has_arrays_as_lists(ask):
    assert ask("/array") == good({"x": [[1, 0], [0, 1]], "n": 1.5})


def test_reply_to_a_missing_argument_has_code_1(ask):
    missing = {"code": 1, "desc": "Expected the argument 'text', got none.", "data": {}}
    assert ask("/repeat?n=3") == (200, missing)


@pytest.mark.parametrize(
    "path, desc",
    [
        ("/repeat?text=x&n=many", "ValueError: invalid literal"),
        ("/fails", "ZeroDivisionError: division by zero"),
        ("/strange", "TypeError: Expected a result that JSON can hold, got object"),
        ("/nan", "ValueError: Out of range"),
    ],
)
def test_reply_to_an_error_has_code_2_and_the_server_continues(ask, path, desc):
    status, reply = ask(path)
    assert (status, reply["code"], reply["data"]) == (200, 2, {})
    assert reply["desc"].startswith(desc)
    assert ask("/repeat?text=x&n=1") == good(["x"])


def test_respond_refuses_unknown_paths_and_methods(ask):
    assert ask("/nowhere")[0] == 404
    status, reply = ask("/repeat_post?text=x")
    assert status == 405 and reply["desc"] == "Expected POST for /repeat_post, got GET."


@pytest.mark.parametrize("body", [b"\xff\xfe", b"[1]", b"{", b"[" * 100_000])
def test_post_refuses_a_body_that_is_neither_form_nor_json(ask, body):
    assert ask("/repeat_post", body, **{"Content-Type": "application/json"})[0] == 400


def test_post_refuses_a_body_that_is_too_large(ask):
    status, reply = ask("/repeat_post", b"text=x", **{"Content-Length": str(1 << 30)})
    assert status == 413 and "at most" in reply["desc"]


def test_wraps_returns_the_reply_of_one_function():
    reply = WebServing().wraps(repeat, ARGUMENTS)
    assert json.loads(reply({"text": "x", "n": "1"}))["data"] == ["x"]


@pytest.mark.parametrize("path, method", [("repeat", "GET"), ("/repeat", "PUT")])
def test_route_refuses_a_bad_path_or_method(path, method):
    with pytest.raises(ValueError, match="a path that begins with / and one of GET, POST, got"):
        WebServing().route(path, repeat, ARGUMENTS, method)


def test_start_serves_until_interrupted(monkeypatch, capsys):
    def interrupt(self):
        raise KeyboardInterrupt

    monkeypatch.setattr("http.server.ThreadingHTTPServer.serve_forever", interrupt)
    WebServing("127.0.0.1", 0).start()
    assert "Serving at http://127.0.0.1:" in capsys.readouterr().out
