"""WebServing replies over HTTP as the scripts of 0.x expect."""

import json
import socket
import time
from threading import Thread
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

import numpy as np
import pytest

from bert4keras import serving
from bert4keras.snippets import WebServing


def repeat(text, n=2):
    return [text] * n


class SilentError(Exception):
    def __str__(self):
        raise RuntimeError


def leave(error):
    errors = {"exit": SystemExit, "interrupt": KeyboardInterrupt, "base": BaseException}
    raise errors.get(error, SilentError)("stop")


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
    web.route("/exits", leave, {"error": (None, True)})
    web.route("/重复", repeat, ARGUMENTS)
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

        def send(data, is_last=False):
            with socket.create_connection(("127.0.0.1", server.server_port), 10) as client:
                client.sendall(data)
                if is_last:
                    client.shutdown(socket.SHUT_WR)
                return client.makefile("rb").read()

        ask.send = send
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


@pytest.mark.parametrize("text", ["好", "全", "堠Á", "a b&c"])  # 全 has the byte 0x85, 堠 0xA0
def test_url_is_utf_8_as_bytes_or_in_percent_signs(ask, text):
    expected = {"code": 0, "desc": "succeeded", "data": [text]}
    assert ask(f"/{quote('重复')}?text={quote(text)}&n=1")[1] == expected
    if " " not in text:
        reply = ask.send(f"GET /重复?n=1&text={text} HTTP/1.1\r\n\r\n".encode())
        assert json.loads(reply.split(b"\r\n\r\n")[1]) == expected


@pytest.mark.parametrize(
    "error, desc",
    [
        ("exit", "SystemExit: stop"),
        ("interrupt", "KeyboardInterrupt: stop"),
        ("base", "BaseException: stop"),
        ("silent", "SilentError"),
    ],
)
def test_reply_to_any_error_of_the_function_has_code_2(ask, error, desc):
    assert ask(f"/exits?error={error}") == (200, {"code": 2, "desc": desc, "data": {}})
    assert ask("/repeat?text=x&n=1") == good(["x"])


def post(*headers, body=b"text=a"):
    lines = ["POST /repeat_post HTTP/1.1", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


@pytest.mark.parametrize(
    "request_bytes, status",
    [
        (b"GET http://[ HTTP/1.1\r\n\r\n", 400),
        (post("Transfer-Encoding: chunked", body=b"6\r\ntext=a\r\n0\r\n\r\n"), 411),
        (post("Content-Length: 6", "Transfer-Encoding: chunked"), 411),
        (post("Content-Length: 1_0"), 400),
        (post("Content-Length: +6"), 400),
        (post("Content-Length: -6"), 400),
        (post("Content-Length: \xb2"), 400),
        (post("Content-Length: 6, 6"), 400),
        (post("Content-Length: 6", "Content-Length: 6"), 400),
        (post("Content-Length: 7"), 400),
        (post("Content-Length: " + "9" * 5000), 413),
        (post("Content-Length: 6", "Host: localhost:80", "Origin: http://b"), 403),
        (post("Content-Length: 6", "Host: localhost:80", "Origin: null"), 403),
        (post("Content-Length: 6", "Host: a", "Origin: http://a"), 403),
        (post("Content-Length: 6", "Sec-Fetch-Site: cross-site"), 403),
        (post("Content-Length: 6", "Host: 127.0.0.1:80", "Origin: http://127.0.0.1:80"), 200),
        (post("Content-Length: 6", "Host: b", "X-Forwarded-Host: a", "Origin: https://a"), 200),
        (
            post(
                "Content-Length: 6", "Host: b", "Sec-Fetch-Site: same-origin", "Origin: https://a"
            ),
            200,
        ),
        (post("Content-Length: 0006"), 200),
        (post(body=b""), 200),
    ],
)
def test_requests_are_read_strictly(ask, request_bytes, status):
    head, body = ask.send(request_bytes, is_last=True).split(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.0 {status} ".encode())
    assert set(json.loads(body)) == {"code", "desc", "data"}


def test_a_request_has_a_deadline_as_a_whole(ask, monkeypatch):
    monkeypatch.setattr(serving, "_REQUEST_SECONDS", 0.3)
    start = time.monotonic()
    reply = ask.send(post("Content-Length: 100"))
    assert reply.startswith(b"HTTP/1.0 408 ") and time.monotonic() - start < 5
    assert ask.send(b"GET /repeat?text=a HT") == b""


def test_slow_bytes_do_not_extend_the_deadline():
    client, server = socket.socketpair()
    with client, server:
        reader = serving._DeadlineReader(server, 0.2)
        with pytest.raises(TimeoutError):
            for _ in range(100):
                client.sendall(b"a")
                reader.readinto(bytearray(1))
                time.sleep(0.01)


def test_connections_are_bounded(monkeypatch):
    monkeypatch.setattr(serving, "_MAX_CONNECTIONS", 2)
    web = WebServing(port=0)
    with web.listen() as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        address = ("127.0.0.1", server.server_port)
        with socket.create_connection(address), socket.create_connection(address):
            with socket.create_connection(address, 10) as client:
                reply = client.makefile("rb").read()
        server.shutdown()
    assert reply.startswith(b"HTTP/1.0 503 ") and b"at most 2 connections" in reply


def test_a_server_waits_for_128_connections_and_is_for_this_machine_only():
    with WebServing(port=0).listen() as server:
        assert server.server_address[0] == "127.0.0.1"
        assert server.request_queue_size == 128


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: WebServing(port="80x"), "Expected port to be a whole number from 0 to 65535"),
        (lambda: WebServing(host=None), "Expected host to be a str"),
        (lambda: WebServing().route("/x", len, ["text"]), "Expected arguments to be a dict, got"),
        (lambda: WebServing().route("/x", len, {"a": int}), r"arguments\['a'\] to be a pair, got"),
        (lambda: WebServing().route("/x", len, {"a": (5, True)}), "to be a function, got 5"),
        (lambda: WebServing().route("/x", "len", {}), "Expected func to be a function, got 'len'"),
        (lambda: WebServing().route(None, len, {}), "Expected path to be a str, got None"),
    ],
)
def test_wrong_calls_are_refused(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_listen_names_a_port_that_is_taken():
    with WebServing(port=0).listen() as server:
        port = server.server_port
        with pytest.raises(OSError, match=f"a free port of this machine, got 127.0.0.1:{port}"):
            WebServing(port=port).listen()
