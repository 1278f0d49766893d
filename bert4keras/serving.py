"""HTTP server for functions, to try a model; needs the standard library only."""

import json
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, urlsplit

__all__ = ["WebServing"]

_MAX_BODY_SIZE = 1 << 20  # bytes of a request's body
_METHODS = ("GET", "POST")


class WebServing:
    """Web server whose paths call functions and reply with JSON.

    A reply is ``{"code": ..., "desc": ..., "data": ...}``: code 0 and the result of the function; 1
    if a required argument is missing; 2 if the function or a converter raised an error. Everyone
    who reaches the port can send requests, so use networks that you trust. One call runs at a time.

    Args:
        host: address to listen at; ``"127.0.0.1"`` for this machine only.
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

    def __init__(self, host: str = "0.0.0.0", port: int = 8000, server: str = "paste") -> None:
        self.host = host
        self.port = port
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
                return _to_json(2, f"{type(error).__name__}: {error}", {})

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
        return ThreadingHTTPServer((self.host, self.port), handler)

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


class _Handler(BaseHTTPRequestHandler):
    """Handler of one request."""

    web: WebServing  # set by ``listen``
    timeout = 30  # seconds to wait for the client

    def do_GET(self) -> None:
        self._reply("GET", parse_qs(urlsplit(self.path).query, keep_blank_values=True))

    def do_POST(self) -> None:
        try:
            length = int(self.headers.get("Content-Length", 0))
            if not 0 <= length <= _MAX_BODY_SIZE:
                desc = f"Expected a body of at most {_MAX_BODY_SIZE} bytes, got {length}."
                return self._send(413, _to_json(2, desc, {}))
            body = self.rfile.read(length).decode("utf-8")
            if "json" in self.headers.get("Content-Type", ""):
                values = {name: [value] for name, value in json.loads(body).items()}
            else:
                values = parse_qs(body, keep_blank_values=True)
        except (AttributeError, RecursionError, ValueError) as error:
            return self._send(400, _to_json(2, f"Expected a form or JSON, got: {error}.", {}))
        self._reply("POST", values)

    def _reply(self, method: str, values: Mapping[str, list[Any]]) -> None:
        first_values = {name: items[0] for name, items in values.items()}
        self._send(*self.web.respond(method, urlsplit(self.path).path, first_values))

    def _send(self, status: int, text: str) -> None:
        body = text.encode("utf-8", "replace")
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
