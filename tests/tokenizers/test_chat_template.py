import json

import pytest
from tokenizers import Tokenizer as Model
from tokenizers import models, pre_tokenizers

from bert4keras.tokenizers import HuggingFaceTokenizer, load_tokenizer

MESSAGES = [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "<b>"}]
TEMPLATE = (
    "{%- if tools %}\n{{ tools | tojson }}\n{%- endif %}\n"
    "{% for message in messages %}\n"
    "    {% if message.role == 'system' %}{% continue %}{% endif %}\n"
    "{{ bos_token }}{{ message.role }}: {{ message.content }}\n"
    "{% endfor %}\n"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def make(template=TEMPLATE, **config):
    """Return a tokenizer with a chat template."""
    vocabulary = {token: i for i, token in enumerate(pre_tokenizers.ByteLevel.alphabet())}
    model = Model(models.BPE(vocabulary, []))
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return HuggingFaceTokenizer(model, {"bos_token": "<s>", "chat_template": template, **config})


def render(template, messages=MESSAGES, **variables):
    return make(template).apply_chat_template(messages, **variables)


def test_a_chat_is_rendered():
    text = render(TEMPLATE, [{"role": "system", "content": "x"}, *MESSAGES])
    assert text == "<s>user: 你好\n<s>assistant: <b>\n"
    assert render(TEMPLATE, add_generation_prompt=True).endswith("assistant: ")
    assert '[{"a": "你<"}]' in render(TEMPLATE, tools=[{"a": "你<"}])


def test_encode_chat_gives_the_ids_of_the_text():
    tokenizer = make(add_bos_token=True)
    ids = tokenizer.encode_chat(MESSAGES[:1])
    assert (
        ids
        == tokenizer._tokenizer.encode("<s>user: 你好\nassistant: ", add_special_tokens=False).ids
    )
    assert ids.count(tokenizer.start_id) == 1


def test_templates_have_the_functions_of_transformers():
    assert render("{{ strftime_now('%Y') | int > 2000 }}") == "True"
    assert render("{% generation %}a{{ 1 + 1 }}{% endgeneration %}") == "a2"
    assert render("{% set ns = namespace(x=1) %}{% set ns.x = 2 %}{{ ns.x }}") == "2"
    assert render("{{ dict(a=1) | tojson(indent=1) }}{{ x }}", x=[1]) == '{\n "a": 1\n}[1]'
    assert render("{{ messages[0].thinking }}", [{"role": "a", "reasoning": "b"}]) == "b"
    assert render("{{ messages[0] }}", [{"role": "a", "content": None}]) == "{'role': 'a'}"


@pytest.mark.parametrize(
    "template, message",
    [
        ("{{ ''.__class__.__mro__ }}", "got access to attribute '__class__'"),
        ("{{ messages.append(1) }}", "got access to attribute 'append'|is not safely callable"),
        ("{% set ns = namespace(_x=1) %}", "got the name '_x' in a namespace"),
        ("{{ raise_exception('only one user') }}", "got only one user"),
        ("{{ range(10 ** 9) }}", "got Range too big"),
        ("{% if %}", "Expected a Jinja template as chat_template, got .* in line 1"),
        ("{% include 'x' %}", "got no loader"),
    ],
)
def test_templates_can_do_no_harm(template, message):
    with pytest.raises(ValueError, match=message):
        render(template)


@pytest.mark.parametrize(
    "messages, message",
    [
        (None, "Expected messages to be a list of dicts, got None"),
        ("你好", "Expected messages to be a list of dicts, got '你好'"),
        (["你好"], r"Expected messages\[0\] to be a dict, got '你好'"),
        ([{"role": object()}], "Expected messages and variables of plain data, got <object"),
    ],
)
def test_wrong_messages_are_refused(messages, message):
    with pytest.raises(TypeError, match=message):
        render(TEMPLATE, messages)


def test_an_empty_chat_is_refused():
    with pytest.raises(ValueError, match="Expected messages to be a list of at least one message"):
        render(TEMPLATE, [])
    with pytest.raises(TypeError, match="Expected variables of the chat template, got tokenize"):
        render(TEMPLATE, tokenize=True)


def test_the_folder_has_the_templates(tmp_path):
    make(None).save(tmp_path)
    with pytest.raises(ValueError, match="Expected a chat template 'default' .*, got none"):
        load_tokenizer(tmp_path).apply_chat_template(MESSAGES)
    path = tmp_path / "tokenizer_config.json"
    config = json.loads(path.read_text())
    del config["bert4keras"]
    templates = [{"name": "default", "template": "a"}, {"name": "tool_use", "template": "b"}]
    path.write_text(json.dumps(config | {"chat_template": templates}))
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.apply_chat_template(MESSAGES) == "a"
    assert tokenizer.apply_chat_template(MESSAGES, tools=[{}]) == "b"
    (tmp_path / "chat_template.jinja").write_text("c")
    (tmp_path / "additional_chat_templates").mkdir()
    (tmp_path / "additional_chat_templates" / "short.jinja").write_text("d")
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.apply_chat_template(MESSAGES) == "c"
    assert tokenizer.apply_chat_template(MESSAGES, chat_template="short") == "d"
    assert tokenizer.apply_chat_template(MESSAGES, chat_template="{{ 1 }}") == "1"


def test_a_saved_template_and_another_file_are_refused(tmp_path):
    make().save(tmp_path)
    assert load_tokenizer(tmp_path).apply_chat_template(MESSAGES) == render(TEMPLATE)
    (tmp_path / "chat_template.jinja").write_text("c")
    with pytest.raises(ValueError, match="Expected the chat template of .* alone, got another one"):
        load_tokenizer(tmp_path)
    with open(tmp_path / "chat_template.jinja", "wb") as file:
        file.truncate(5 << 20)
    with pytest.raises(ValueError, match="Expected a chat template of at most 4 MiB, got .* 5 MiB"):
        load_tokenizer(tmp_path)
