"""Chat templates: messages to the text of a prompt, by Jinja in a sandbox."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np

from bert4keras.checks import describe

_REFUSED = (  # arguments of transformers that a template must not take for its own
    *("tokenize", "padding", "truncation", "max_length", "return_tensors", "return_dict"),
    *("tokenizer_kwargs", "return_assistant_tokens_mask", "continue_final_message"),
    "sanitize_control_tokens",
)
_REASONING = ("reasoning_content", "thinking", "reasoning")


def render_chat(
    template: str,
    messages: Sequence[Mapping[str, Any]],
    variables: Mapping[str, Any],
) -> str:
    """Return the text that a chat template makes of messages.

    The text is that of ``transformers``. The template runs in a sandbox: it sees plain data alone,
    changes nothing, and opens no file.

    Args:
        template: the Jinja template.
        messages: dicts with ``role`` and ``content``.
        variables: further variables of the template.

    Raises:
        ValueError: the template has an error, or it refuses the messages.
        TypeError: a message is no dict, or a variable has a name that means something else.
    """
    for name in _REFUSED:
        if name in variables:
            raise TypeError(
                f"Expected variables of the chat template, got {name}, which transformers does not "
                "pass to it. Remove it; encode_chat gives the ids."
            )
    plain_messages, plain_variables = _check_messages(messages), _to_plain(dict(variables))
    compiled_template = _compile(template)
    try:
        return compiled_template.render(messages=plain_messages, **plain_variables)
    except Exception as error:  # of Jinja, or of Python: a template can add text to a number
        raise ValueError(
            f"Expected messages that the chat template can render, got {error}. Change the "
            "messages, or pass another chat_template."
        ) from error


def _check_messages(messages: Any) -> list[dict[str, Any]]:
    """Return messages as plain dicts without the keys that are None."""
    if isinstance(messages, str | bytes | Mapping) or not isinstance(messages, Iterable):
        raise TypeError(
            f"Expected messages to be a list of dicts, got {describe(messages)}. Pass "
            '[{"role": "user", "content": ...}].'
        )
    plain_messages = []
    for row, message in enumerate(messages):
        if not isinstance(message, Mapping):
            raise TypeError(
                f"Expected messages[{row}] to be a dict, got {describe(message)}. Pass "
                '[{"role": "user", "content": ...}].'
            )
        message = {key: value for key, value in message.items() if value is not None}
        reasoning = next((message[key] for key in _REASONING if key in message), None)
        if reasoning is not None:  # templates read it under one of two names
            message = {"thinking": reasoning, **message, "reasoning_content": reasoning}
        plain_messages.append(_to_plain(message))
    if not plain_messages:
        raise ValueError("Expected messages to be a list of at least one message, got [].")
    return plain_messages


def _to_plain(value: Any) -> Any:
    """Return a copy of plain data; raise for objects, whose methods a template could call."""
    if value is None or type(value) in (str, int, float, bool):
        return value
    if isinstance(value, np.generic):
        return _to_plain(value.item())
    for kind in (str, int, float):
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, Mapping):
        return {_to_plain(key): _to_plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_to_plain(item) for item in value]
    if isinstance(value, tuple):
        return tuple(_to_plain(item) for item in value)
    raise TypeError(
        f"Expected messages and variables of plain data, got {describe(value)}. Pass str, numbers, "
        "lists and dicts."
    )


@lru_cache(maxsize=16)
def _compile(template: str) -> Any:
    """Compile a template in an environment with the functions that ``transformers`` gives it."""
    import jinja2
    from jinja2.ext import Extension, loopcontrols
    from jinja2.nodes import CallBlock
    from jinja2.sandbox import ImmutableSandboxedEnvironment
    from jinja2.utils import Namespace

    class Generation(Extension):
        """The block ``generation``, which marks answers of a model: its content as it is."""

        tags = {"generation"}

        def parse(self, parser):
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return CallBlock(self.call_method("_call"), [], [], body).set_lineno(line)

        def _call(self, caller):
            return caller()

    class SafeNamespace(Namespace):
        """Namespace without names that begin with ``_``."""

        def __init__(*args, **kwargs):
            attributes = dict(*args[1:], **kwargs)
            for name in attributes:
                _check_attribute(name)
            Namespace.__init__(args[0], attributes)

        def __setitem__(self, name, value):
            _check_attribute(name)
            Namespace.__setitem__(self, name, value)

    def _check_attribute(name):
        if isinstance(name, str) and name.startswith("_"):
            raise jinja2.exceptions.SecurityError(f"the name {name!r} in a namespace")

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals |= {
        "raise_exception": raise_exception,
        "strftime_now": lambda format: datetime.now().strftime(format),
        "dict": _PlainDict(),
        "namespace": SafeNamespace,
    }
    try:
        return environment.from_string(template)
    except jinja2.exceptions.TemplateSyntaxError as error:
        raise ValueError(
            f"Expected a Jinja template as chat_template, got {error} in line {error.lineno}. "
            "Correct it."
        ) from error


class _PlainDict:
    """The function ``dict`` of templates, without the attributes of the class."""

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict(*args, **kwargs)

    def fromkeys(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict.fromkeys(*args, **kwargs)


def _to_json(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    """Write a value as JSON; Jinja's own filter escapes the characters of HTML."""
    return json.dumps(
        x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )
