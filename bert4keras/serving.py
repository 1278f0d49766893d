"""Functions that answer over HTTP, to try a model out; on the standard library alone."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from urllib.parse import parse_qs, urlsplit

MOST = 1 << 20  # bytes of a request's body
METHODS = ("GET", "POST")


class WebServing:
    """A web server whose addresses call functions, and whose replies are JSON.

    A reply is ``{"code": ..., "desc": ..., "data": ...}``: code 0 and what the function returned; 1
    where a required argument is lacking; 2 where the function, or a converter, raised. Whoever
    reaches the port may ask, so keep it to networks you trust. One call runs at a time.

    Args:
        host: address to listen at; ``"127.0.0.1"`` for this machine alone.
        port: port to listen at; 0 for any that is free.
        server: kept for old scripts, which named a server of bottle's; has no effect.

    Example:
        >>> from bert4keras.snippets import WebServing
        >>> web = WebServing(port=8864)
        >>> arguments = {"text": (None, True), "n": (int, False)}
        >>> web.route("/repeat", lambda text, n=2: text * n, arguments)
        >>> web.answer("GET", "/repeat", {"text": "好", "n": "3"})
        (200, '{"code": 0, "desc": "succeeded", "data": "好好好"}')

    ``web.start()`` then serves http://127.0.0.1:8864/repeat?text=好&n=3
    """

    def __init__(self, host="0.0.0.0", port=8000, server="paste"):
        self.host = host
        self.port = port
        self.server = server
        self.routes = {}  # path -> method -> what gives the reply
        self.lock = Lock()

    def wraps(self, func, arguments, method="GET"):
        """A function from the arguments of a request, texts by name, to the JSON of its reply.

        Args:
            func: what to call, with the arguments by name.
            arguments: name -> (converter or None, whether it is required).
            method: "GET" or "POST"; the reply is the same.
        """

        def reply(given):
            lacking = [name for name, (_, needed) in arguments.items() if needed]
            lacking = [name for name in lacking if name not in given]
            if lacking:
                return _json(1, f"the argument {lacking[0]!r} is lacking", {})
            try:
                named = {
                    name: given[name] if convert is None else convert(given[name])
                    for name, (convert, _) in arguments.items()
                    if name in given
                }
                with self.lock:
                    data = func(**named)
                return _json(0, "succeeded", data)
            except Exception as error:  # whatever it is, the server goes on
                return _json(2, f"{type(error).__name__}: {error}", {})

        return reply

    def route(self, path, func, arguments, method="GET"):
        """Let an address call a function.

        Args:
            path: such as ``"/repeat"``.
            func, arguments: as for ``wraps``.
            method: "GET", arguments in the address, or "POST", as a form or as JSON.

        Raises:
            ValueError: another method, or a path without its ``/``.
        """
        if method.upper() not in METHODS or not path.startswith("/"):
            raise ValueError(
                f"A route is a path that begins with / and one of {', '.join(METHODS)}, got "
                f"{path!r} and {method!r}"
            )
        self.routes.setdefault(path, {})[method.upper()] = self.wraps(func, arguments, method)

    def answer(self, method, path, given):
        """The status and the body of the reply to a request."""
        if path not in self.routes:
            return 404, _json(2, f"nothing is at {path}", {})
        if method not in self.routes[path]:
            return 405, _json(2, f"{path} takes {', '.join(self.routes[path])}", {})
        return 200, self.routes[path][method](given)

    def listen(self):
        """A server that is bound to its address, to be used in a ``with`` block."""
        handler = type("Handler", (_Handler,), {"web": self})
        return ThreadingHTTPServer((self.host, self.port), handler)

    def start(self):
        """Serve until interrupted."""
        with self.listen() as server:
            print(f"Serving at http://{self.host}:{server.server_port}")
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                print("Stopped.")


def _json(code, desc, data):
    reply = {"code": code, "desc": desc, "data": data}
    return json.dumps(reply, ensure_ascii=False, allow_nan=False, default=_plain)


def _plain(value):
    """An array or a number of NumPy as Python has it."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON")


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    web = None  # the WebServing that it belongs to
    timeout = 30  # seconds without a word from the client

    def do_GET(self):
        self._reply("GET", parse_qs(urlsplit(self.path).query, keep_blank_values=True))

    def do_POST(self):
        try:
            length = int(self.headers.get("Content-Length", 0))
            if not 0 <= length <= MOST:
                return self._send(413, _json(2, f"a body has at most {MOST} bytes", {}))
            body = self.rfile.read(length).decode("utf-8")
            if "json" in self.headers.get("Content-Type", ""):
                given = {name: [value] for name, value in json.loads(body).items()}
            else:
                given = parse_qs(body, keep_blank_values=True)
        except (AttributeError, RecursionError, ValueError) as error:
            return self._send(400, _json(2, f"the body is neither a form nor JSON: {error}", {}))
        self._reply("POST", given)

    def _reply(self, method, given):
        given = {name: values[0] for name, values in given.items()}
        self._send(*self.web.answer(method, urlsplit(self.path).path, given))

    def _send(self, status, text):
        body = text.encode("utf-8", "replace")
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
