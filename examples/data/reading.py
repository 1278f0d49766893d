"""Questions with passages in WebQA's form, composed from the facts of `triples`.

Of a question none, one or two passages have the answer. No name of the validation set occurs in the
training set. A passage without the answer often has the name that the question asks about, next to
something else. So a model has to read: it cannot learn the answers by heart.
"""

import random
import re

from .files import to_json, write_files
from .triples import FACTS, LEADS, NO_FACTS, Names, compose, fill

QUESTIONS = {
    "作者": ["《{}》的作者是谁？", "《{}》是谁写的？", "谁写了{}这本书？"],
    "导演": ["《{}》的导演是谁？", "《{}》是谁导演的？", "谁执导了{}？"],
    "主演": ["《{}》的主演是谁？", "谁主演了《{}》？", "{}由谁主演？"],
    "歌手": ["《{}》是谁唱的？", "谁演唱了《{}》？", "歌曲{}的歌手是谁？"],
    "所属专辑": ["《{}》收录在哪张专辑？", "歌曲{}出自哪张专辑？"],
    "出生地": ["{}出生在哪里？", "{}的出生地是哪里？", "{}是哪里人？"],
    "创始人": ["{}的创始人是谁？", "谁创办了{}？", "{}是谁创立的？"],
    "父亲": ["{}的父亲是谁？", "谁是{}的父亲？", "{}的爸爸叫什么？"],
}
SINGLE = [(wording, *triple.split()) for wording, triple in FACTS if triple and ";" not in triple]


def make_files(train=12000, valid=300, passages=3, has_all_wordings=False):
    """Write train.json and valid.json in WebQA's form, and return their paths.

    Args:
        train: number of training questions, with two passages each.
        valid: number of validation questions.
        passages: number of passages of each validation question.
        has_all_wordings: True asks each validation question in all its wordings.
    """
    return write_files(
        f"reading-{train}-{valid}-{passages}",
        train=("json", lambda number: make_webqa(make_questions(number, passages=2)), train),
        valid=(
            "json",
            lambda number: make_webqa(
                make_questions(number, "valid", passages=passages), has_all_wordings
            ),
            valid,
        ),
    )


def make_webqa(questions, has_all_wordings=False):
    """Make the one line of a file in WebQA's form."""
    records = {}
    for item in questions:
        question, passages = item["question"], item["passages"]
        wordings = sorted(find_same_questions(question)) if has_all_wordings else [question]
        for wording in wordings:
            name = f"Q{len(records):06}"
            evidences = {
                f"{name}#{i:02}": {"answer": [x["answer"] or "no_answer"], "evidence": x["passage"]}
                for i, x in enumerate(passages)
            }
            records[name] = {"question": wording, "evidences": evidences}
    return [to_json(records)]


def find_same_questions(question):
    """Find all ways above to ask a question; the question alone, if it has another form."""
    for forms in QUESTIONS.values():
        for form in forms:
            if match := re.fullmatch(form.replace("{}", "(.+)"), question):
                return {x.format(match[1]) for x in forms}
    return {question}


def get_kind(slot):
    """Return the kind of name in a slot: "person" of "person1"."""
    return slot.rstrip("0123456789")


def write_fact(predicate, subject, object, names):
    """Write a clause that says a fact."""
    wording, s, p, o = names.choice([fact for fact in SINGLE if fact[2] == predicate])
    return fill(wording, "", names, **{s: subject, o: object})[0]


def write_distractor(predicate, subject, names):
    """Write a clause with the name of a question that says something else about it."""
    kinds = {get_kind(s) for _, s, p, _ in SINGLE if p == predicate}
    facts = [(wording, s) for wording, s, p, _ in SINGLE if p != predicate and get_kind(s) in kinds]
    facts += [(x, f"{k}1") for x in NO_FACTS for k in kinds if f"{{{k}1}}" in x]
    wording, slot = names.choice(facts)
    return fill(wording, "", names, **{slot: subject})[0]


def write_passage(clause, names):
    """Write a passage from a clause, perhaps with something else before or behind it."""
    parts = [clause]
    if names.random.random() < 0.3:
        parts.append(fill(names.choice(NO_FACTS), "", names)[0])
        names.random.shuffle(parts)
    return fill(names.choice(LEADS), "", names)[0] + "，".join(parts) + "。"


def make_item(names, number):
    """Compose one question with `number` passages."""
    predicate = names.choice(sorted(QUESTIONS))
    _, s, _, o = names.choice([fact for fact in SINGLE if fact[2] == predicate])
    subject, answer = (getattr(names, get_kind(slot))() for slot in (s, o))
    number_of_answers = names.choice([0, 1, 1, 2, 2])
    passages = [
        (answer, write_passage(write_fact(predicate, subject, answer, names), names))
        for _ in range(number_of_answers)
    ]
    while len(passages) < number:
        is_close = names.random.random() < 0.7
        clause = write_distractor(predicate, subject, names) if is_close else None
        passage = write_passage(clause or compose(names)[0].rstrip("。"), names)
        if answer not in passage:
            passages.append(("", passage))
    names.random.shuffle(passages)
    question = names.choice(QUESTIONS[predicate]).format(subject)
    return {"question": question, "passages": [{"answer": a, "passage": p} for a, p in passages]}


def make_questions(number, split="train", seed=0, passages=3):
    """Compose questions.

    Args:
        number: number of questions.
        split: "train" or "valid"; no name of the one occurs in the other.
        seed: the same seed gives the same questions.
        passages: number of passages of each question.

    Returns: a list of {"question", "passages": [{"answer", "passage"}, ...]}; of a question none,
        one or two passages have the answer, in its words.

    Example:
        >>> [item] = make_questions(1, "valid", seed=3)
        >>> all(x["answer"] in x["passage"] for x in item["passages"])
        True
    """
    names = Names(split, random.Random(f"questions {split} {seed}"))
    return [make_item(names, passages) for _ in range(number)]
