"""HTTP server for functions, to try a model; needs the standard library only."""

import io
import json
import re
import socket
import sys
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore, Lock
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from bert4keras.checks import check_callable, check_integer, check_string, describe

__all__ = ["WebServing"]

_MAX_BODY_SIZE = 1 << 20  # bytes of a request's body
_MAX_CONNECTIONS = 256  # at a time; each has a thread
_REQUEST_SECONDS = 30.0  # from the connection to the last byte of the request
_METHODS = ("GET", "POST")
_LOCAL_HOST = re.compile(r"(localhost|127(\.\d+){3}|\[?::1\]?)(:\d+)?")


class WebServing:
    """Web server whose paths call functions and reply with JSON.

    A reply is ``{"code": ..., "desc": ..., "data": ...}``: code 0 and the result of the function; 1
    if a required argument is missing; 2 if the function or a converter raised any error.
    Everyone who reaches the port can send requests, so use networks that you trust.

    One call runs at a time, because of a lock, and others wait. A call runs to its end even if its
    client has gone. A request must arrive within 30 seconds. Of more than 256 connections at a
    time, the others get status 503.

    A browser sends GET requests for any page that it shows, so a function that changes something
    should have a POST route. A POST from a page of another origin gets status 403. A proxy should
    set ``X-Forwarded-Host``.

    Args:
        host: address to listen at; default: this machine only. ``"0.0.0.0"`` for all networks.
        port: port to listen at; 0 for any free one.
        server: no effect; old scripts name a server of bottle here.

    Example:
        >>> from bert4keras.snippets import WebServing
        >>> web = WebServing(port=8864)
        >>> arguments = {"text": (None, True), "n": (int, False)}
        >>> web.route("/repeat", lambda text, n=2: text * n, arguments)
        >>> web.respond("GET", "/repeat", {"text": "好", "n": "3"})
        (200, '{"code": 0, "desc": "succeeded", "data": "好好好"}')

    ``web.start()`` then serves http://127.0.0.1:8864/repeat?text=好&n=3
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 8000, server: str = "paste") -> None:
        self.host = check_string("host", host, "Pass an address such as '127.0.0.1'.")
        self.port = check_integer("port", port, 0, 65535, "Pass 0 for any free port.")
        self.server = server
        self.routes: dict[str, dict[str, Callable[[Mapping[str, Any]], str]]] = {}
        self._lock = Lock()

    def wraps(
        self,
        func: Callable[..., Any],
        arguments: Mapping[str, tuple[Callable[[Any], Any] | None, bool]],
        method: str = "GET",
    ) -> Callable[[Mapping[str, Any]], str]:
        """Return a function from the arguments of a request, by name, to the JSON of its reply.

        Args:
            func: function that is called with the arguments by name.
            arguments: name -> (converter or None, True if it is required).
            method: "GET" or "POST"; the reply is the same.
        """
        check_callable("func", func)
        _check_arguments(arguments)

        def reply(values: Mapping[str, Any]) -> str:
            required_names = [name for name, (_, is_required) in arguments.items() if is_required]
            missing = [name for name in required_names if name not in values]
            if missing:
                return _to_json(1, f"Expected the argument {missing[0]!r}, got none.", {})
            try:
                kwargs = {
                    name: values[name] if convert is None else convert(values[name])
                    for name, (convert, _) in arguments.items()
                    if name in values
                }
                with self._lock:
                    data = func(**kwargs)
                return _to_json(0, "succeeded", data)
            except Exception as error:  # one bad request must not stop the server
                return _to_json(2, _describe_error(error), {})

        return reply

    def route(
        self,
        path: str,
        func: Callable[..., Any],
        arguments: Mapping[str, tuple[Callable[[Any], Any] | None, bool]],
        method: str = "GET",
    ) -> None:
        """Bind a function to a path.

        Args:
            path: path of the URL, such as ``"/repeat"``.
            func, arguments: as for ``wraps``.
            method: "GET" (arguments in the URL) or "POST" (arguments as a form or as JSON).

        Raises:
            ValueError: another method, or a path without its ``/``.
        """
        check_string("path", path)
        check_string("method", method)
        if method.upper() not in _METHODS or not path.startswith("/"):
            raise ValueError(
                f"Expected a path that begins with / and one of {', '.join(_METHODS)}, got "
                f"path={path!r} and method={method!r}. Correct the route."
            )
        self.routes.setdefault(path, {})[method.upper()] = self.wraps(func, arguments, method)

    def respond(self, method: str, path: str, values: Mapping[str, Any]) -> tuple[int, str]:
        """Return the HTTP status and the body of the reply to a request."""
        if path not in self.routes:
            return 404, _to_json(2, f"Expected one of {', '.join(self.routes)}, got {path}.", {})
        if method not in self.routes[path]:
            methods = ", ".join(self.routes[path])
            return 405, _to_json(2, f"Expected {methods} for {path}, got {method}.", {})
        return 200, self.routes[path][method](values)

    def listen(self) -> ThreadingHTTPServer:
        """Return a server that is bound to its address, for a ``with`` block."""
        handler = type("Handler", (_Handler,), {"web": self})
        try:
            return _Server((self.host, self.port), handler)
        except OSError as error:
            raise type(error)(
                error.errno,
                f"Expected a free port of this machine, got {self.host}:{self.port} "
                f"({error.strerror}). Pass another host or port; 0 for any free port.",
            ) from None

    def start(self) -> None:
        """Serve until interrupted."""
        with self.listen() as server:
            print(f"Serving at http://{self.host}:{server.server_port}")
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                print("Stopped.")


def _to_json(code: int, desc: str, data: Any) -> str:
    reply = {"code": code, "desc": desc, "data": data}
    return json.dumps(reply, ensure_ascii=False, allow_nan=False, default=_to_plain_value)


def _to_plain_value(value: Any) -> Any:
    """Convert an array or a number of NumPy to lists and numbers of Python."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(
        f"Expected a result that JSON can hold, got {type(value).__name__}. Return lists, dicts, "
        "numbers or texts."
    )


def _describe_error(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # an error without text
        return type(error).__name__


def _check_arguments(arguments: Any) -> None:
    remedy = "Pass {name: (converter or None, True if it is required)}."
    if not isinstance(arguments, Mapping):
        raise TypeError(f"Expected arguments to be a dict, got {describe(arguments)}. {remedy}")
    for name, entry in arguments.items():
        if not isinstance(entry, tuple | list) or len(entry) != 2:
            message = f"Expected arguments[{name!r}] to be a pair, got {describe(entry)}. {remedy}"
            raise TypeError(message)
        if entry[0] is not None:
            check_callable(f"arguments[{name!r}][0]", entry[0], remedy)


class _Server(ThreadingHTTPServer):
    """Server with a bound on its connections, one thread for each."""

    request_queue_size = 128  # connections that wait to be accepted

    def __init__(self, *args: Any) -> None:
        self._connections = BoundedSemaphore(_MAX_CONNECTIONS)
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._connections.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self._refuse(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print the error, unless the client has gone."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def _refuse(self, request: Any) -> None:
        """Reply with status 503 without waiting for the request."""
        desc = f"Expected at most {_MAX_CONNECTIONS} connections at a time. Try again later."
        body = _to_json(2, desc, {}).encode()
        head = (
            "HTTP/1.0 503 Service Unavailable\r\nContent-Type: application/json; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\nRetry-After: 1\r\n\r\n"
        )
        try:
            request.setblocking(False)
            request.send(head.encode() + body)
            request.recv(1 << 16)  # closing with unread bytes would reset the connection
        except OSError:
            pass
        self.shutdown_request(request)


class _DeadlineReader(io.RawIOBase):
    """Reader of a socket; all reads together must end before a deadline."""

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self._connection = connection
        self._deadline = time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("the request did not arrive in time")
        self._connection.settimeout(seconds)
        return self._connection.recv_into(buffer)


class _BadRequest(Exception):
    """Request that gets an error status instead of a call."""

    def __init__(self, status: int, desc: str) -> None:
        super().__init__(desc)
        self.status, self.desc = status, desc


class _Handler(BaseHTTPRequestHandler):
    """Handler of one request."""

    web: WebServing  # set by ``listen``
    default_request_version = "HTTP/1.0"  # error pages have a status line

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self.rfile = io.BufferedReader(_DeadlineReader(self.connection, _REQUEST_SECONDS))

    def parse_request(self) -> bool:
        # curl sends UTF-8 letters as they are; their bytes 0x85 and 0xA0 would split the line.
        self.raw_requestline = re.sub(
            rb"[\x80-\xff]", lambda match: b"%%%02X" % match[0][0], self.raw_requestline
        )
        return super().parse_request()

    def do_GET(self) -> None:
        self._reply("GET", lambda query: _parse_form(query))

    def do_POST(self) -> None:
        self._reply("POST", lambda query: self._read_body())

    def _reply(self, method: str, read_values: Callable[[str], Mapping[str, list[Any]]]) -> None:
        """Reply to a request; nothing that a request or a function does leaves it without reply."""
        try:
            path, query = self._split_url()
            values = {name: items[0] for name, items in read_values(query).items()}
            status, text = self.web.respond(method, path, values)
        except _BadRequest as error:
            self._send(error.status, _to_json(2, error.desc, {}))
            self._discard_body()
        except TimeoutError:
            desc = f"Expected the whole request within {_REQUEST_SECONDS:.0f} seconds."
            self._send(408, _to_json(2, desc, {}))
        except BaseException as error:  # SystemExit and others of the function, too
            self._send(200, _to_json(2, _describe_error(error), {}))
        else:
            self._send(status, text)

    def _split_url(self) -> tuple[str, str]:
        try:
            url = urlsplit(self.path)
        except ValueError as error:
            raise _BadRequest(400, f"Expected a URL, got {self.path}: {error}.") from None
        return unquote(url.path), url.query

    def _read_body(self) -> Mapping[str, list[Any]]:
        self._check_origin()
        length = self._get_length()
        body = self.rfile.read(length)
        if len(body) < length:
            raise _BadRequest(400, f"Expected a body of {length} bytes, got {len(body)}.")
        try:
            text = body.decode("utf-8")
            if "json" in self.headers.get("Content-Type", ""):
                return {name: [value] for name, value in json.loads(text).items()}
        except (AttributeError, RecursionError, ValueError) as error:
            raise _BadRequest(400, f"Expected a form or JSON, got: {error}.") from None
        return _parse_form(text)

    def _check_origin(self) -> None:
        """Refuse what a page of another origin makes a browser send."""
        origin, site = self.headers.get("Origin"), self.headers.get("Sec-Fetch-Site")
        hosts = [self.headers.get("X-Forwarded-Host"), self.headers.get("Host")]
        if _LOCAL_HOST.fullmatch(self.web.host) and not _LOCAL_HOST.fullmatch(hosts[1] or ""):
            hosts.pop()  # a name of another site that leads to this machine (DNS rebinding)
        is_foreign = origin is not None and origin.partition("://")[2] not in hosts
        if site == "cross-site" or (
            is_foreign and site not in ("same-origin", "same-site", "none")
        ):
            desc = (
                f"Expected a page of this server, got one of {origin}. Call it from its own page."
            )
            raise _BadRequest(403, desc)

    def _get_length(self) -> int:
        if self.headers.get("Transfer-Encoding") is not None:
            raise _BadRequest(411, "Expected a Content-Length, got a Transfer-Encoding.")
        lengths = self.headers.get_all("Content-Length", ["0"])
        if len(lengths) > 1 or not re.fullmatch(r"[0-9]+", lengths[0].strip(" \t")):
            got = ", ".join(lengths)[:60]
            raise _BadRequest(400, f"Expected one Content-Length in digits, got {got}.")
        digits = lengths[0].strip(" \t").lstrip("0")
        if len(digits) > 12 or int(digits or "0") > _MAX_BODY_SIZE:
            desc = f"Expected a body of at most {_MAX_BODY_SIZE} bytes, got {digits[:20]}."
            raise _BadRequest(413, desc)
        return int(digits or "0")

    def _discard_body(self) -> None:
        """Read what the client still sends, for a second: a reset could lose it the reply."""
        try:
            self.connection.shutdown(socket.SHUT_WR)
            self.rfile = io.BufferedReader(_DeadlineReader(self.connection, 1.0))
            for _ in range(64):
                if not self.rfile.read1(1 << 16):
                    break
        except OSError:
            pass

    def _send(self, status: int, text: str) -> None:
        self.connection.settimeout(_REQUEST_SECONDS)
        body = text.encode("utf-8", "replace")
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _parse_form(text: str) -> Mapping[str, list[Any]]:
    try:
        return parse_qs(text, keep_blank_values=True)
    except ValueError as error:
        raise _BadRequest(400, f"Expected a form, got: {error}.") from None
