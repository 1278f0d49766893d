"""Questions with passages, one of which or several answer; composed from the facts of `triples`.

Items look like WebQA's: {"question", "passages": [{"answer", "passage"}]}; an answer is "" where
the passage does not tell. Names of dev occur in no training item, and the same two names stand in
passages that tell something else, so only reading answers.
"""

import json
import random
import re
from collections import Counter
from pathlib import Path

from .triples import FACTS, LEADS, OTHERS, Names, compose, fill

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
SINGLE = [(wording, *told.split()) for wording, told in FACTS if told and ";" not in told]


def kind(slot):
    """What a slot names: "person" of "person1"."""
    return slot.rstrip("0123456789")


def same_questions(question):
    """All ways above to ask what a question asks; itself alone, if it is none of them."""
    for forms in QUESTIONS.values():
        for form in forms:
            if found := re.fullmatch(form.replace("{}", "(.+)"), question):
                return {x.format(found[1]) for x in forms}
    return {question}


def tells(predicate, subject, object, names):
    """A clause that says the fact."""
    wording, s, p, o = names.choice([fact for fact in SINGLE if fact[2] == predicate])
    return fill(wording, "", names, **{s: subject, o: object})[0]


def beside(predicate, subject, names):
    """A clause that names the subject of a question but says something else of it."""
    own = {kind(s) for _, s, p, _ in SINGLE if p == predicate}
    facts = [(wording, s) for wording, s, p, _ in SINGLE if p != predicate and kind(s) in own]
    facts += [(x, f"{k}1") for x in OTHERS for k in own if f"{{{k}1}}" in x]
    wording, slot = names.choice(facts)
    return fill(wording, "", names, **{slot: subject})[0]


def passage(clause, names):
    """A clause as a passage, with other things before or behind it."""
    parts = [clause]
    if names.random.random() < 0.3:
        parts.append(fill(names.choice(OTHERS), "", names)[0])
        names.random.shuffle(parts)
    return fill(names.choice(LEADS), "", names)[0] + "，".join(parts) + "。"


def make_item(names, number):
    """One question with `number` passages."""
    predicate = names.choice(sorted(QUESTIONS))
    _, s, _, o = names.choice([fact for fact in SINGLE if fact[2] == predicate])
    subject, answer = (getattr(names, kind(slot))() for slot in (s, o))
    telling = names.choice([0, 1, 1, 2, 2])
    passages = [
        (answer, passage(tells(predicate, subject, answer, names), names)) for _ in range(telling)
    ]
    while len(passages) < number:
        other = beside(predicate, subject, names) if names.random.random() < 0.7 else None
        other = passage(other or compose(names)[0].rstrip("。"), names)
        if answer not in other:
            passages.append(("", other))
    names.random.shuffle(passages)
    question = names.choice(QUESTIONS[predicate]).format(subject)
    return {"question": question, "passages": [{"answer": a, "passage": p} for a, p in passages]}


def make_questions(number, split="train", seed=0, passages=3):
    """Compose questions.

    Args:
        number: how many.
        split: "train" or "dev"; no name of the one occurs in the other.
        seed: the same seed gives the same questions.
        passages: of each question.

    Returns: a list of {"question", "passages": [{"answer", "passage"}, ...]}; of a question none,
        one or two passages tell the answer, in its words.

    Example:
        >>> [item] = make_questions(1, "dev", seed=3)
        >>> all(x["answer"] in x["passage"] for x in item["passages"])
        True
    """
    names = Names(split, random.Random(f"questions {split} {seed}"))
    return [make_item(names, passages) for _ in range(number)]


def answers(number, split, tokenizer, length):
    """Rows of tokens [CLS] passage [SEP] question [SEP] answer [SEP], one passage each, composed.

    Args:
        number: of rows.
        split: "train" or "dev"; no name of the one occurs in the other.
        tokenizer: that makes the tokens.
        length: of the longest row; longer ones are passed over.

    Returns: a list of rows of ids and one of their segments, 1 for the answer and its [SEP].
    """
    rows, seed = {}, 0
    while len(rows) < number:
        for item in make_questions(number, split, seed, passages=1):
            for told in item["passages"]:
                source = tokenizer.encode(told["passage"], item["question"])[0]
                target = tokenizer.encode(told["answer"])[0][1:]
                if told["answer"] and len(source + target) <= length:
                    rows[tuple(source + target)] = [0] * len(source) + [1] * len(target)
        seed += 1
    ids, segments = zip(*list(rows.items())[:number])
    return [list(row) for row in ids], list(segments)


def load_questions(path, passages=None, seed=0):
    """Questions of a file to learn from and to check with.

    Args:
        path: a folder of train.json and dev.json; or one file, of which every tenth question is
            for dev, drawn by the seed. A file is a list of such items as `make_questions` gives,
            or WebQA's annotated {id: {"question", "evidences"}}.
        passages: so many has each question, when others' passages have been added.
        seed: of the split.

    Returns: two lists.

    Raises: ValueError that names the file, if it is neither.
    """
    if Path(path).is_dir():
        train, dev = (_items(Path(path) / f"{name}.json") for name in ("train", "dev"))
    else:
        items = _items(Path(path))
        random.Random(seed).shuffle(items)
        train, dev = items[len(items) // 10 :], items[: len(items) // 10]
    return tuple(with_others(x, passages, seed) if passages else x for x in (train, dev))


def _items(file):
    try:
        data = json.loads(file.read_bytes())
        if isinstance(data, dict):
            data = [
                {
                    "question": x["question"],
                    "passages": [
                        {"answer": e["answer"][0], "passage": e["evidence"]}
                        for e in x["evidences"].values()
                        if e["answer"][0] != "no_answer"
                    ],
                }
                for x in data.values()
            ]
        if not all(p["answer"] + p["passage"] for x in data for p in x["passages"]):
            raise ValueError("an empty passage")
        if not [x["question"] for x in data]:
            raise ValueError("no question")
        return data
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise ValueError(
            f"{file} must be a JSON list of {{'question', 'passages': [{{'answer', 'passage'}}]}}, "
            f"or WebQA's annotation, but: {type(error).__name__} {error}"
        ) from None


def with_others(items, number, seed=0):
    """The items with passages of other questions added, up to `number`: those most alike in their
    pairs of characters to the question, that do not hold the answer."""
    pairs = [Counter(zip(x["question"], x["question"][1:])) for x in items]
    places = {}
    pool = [p["passage"] for x in items for p in x["passages"]]
    for place, text in enumerate(pool):
        for pair in set(zip(text, text[1:])):
            places.setdefault(pair, []).append(place)
    draw, more = random.Random(seed), []
    for item, asked in zip(items, pairs):
        votes = Counter(place for pair in asked for place in places.get(pair, []))
        votes.update(draw.sample(range(len(pool)), min(number, len(pool))))
        own, answers = list(item["passages"]), {p["answer"] for p in item["passages"]} - {""}
        taken = {p["passage"] for p in own}
        for place, _ in votes.most_common():
            if (
                len(own) < number
                and pool[place] not in taken
                and not any(answer in pool[place] for answer in answers)
            ):
                own.append({"answer": "", "passage": pool[place]})
        more.append({"question": item["question"], "passages": own[:number]})
    return more


def ngrams(ids, n):
    """All runs of n ids, in order."""
    return [ids[i : i + n] for i in range(len(ids) - n + 1)]


def vote(found):
    """The answer that passages agree on.

    Args:
        found: of each passage its answer, "" for none, and how sure it is of it.

    Returns: of the answers, each sure s in some passages, that with the most sum s² / (sum s + 1);
        "" if there is none, for no answer is no vote.

    Example:
        >>> vote([("李明", 0.5), ("王芳", 0.6), ("李明", 0.6), ("", 1.0)])
        '李明'
    """
    sure = {"": []}
    for answer, s in found:
        if answer:
            sure.setdefault(answer, []).append(s)
    return max(sure, key=lambda answer: sum(s * s for s in sure[answer]) / (sum(sure[answer]) + 1))


def bare(text):
    """A text in lower case, without spaces."""
    return "".join(text.lower().split())


def scores(items, answers):
    """Accuracy, F1 and their mean, over questions.

    Args:
        items: what is true.
        answers: for every item one text, "" for none.

    Returns: {"final", "accuracy", "f1"}; an answer is right that is the answer of a passage, or ""
        where no passage has one; F1 is of its characters, against the nearest true answer. Case and
        spaces do not count.

    Example:
        >>> item = {"question": "?", "passages": [{"answer": "李明", "passage": "李明。"}]}
        >>> scores([item], ["李"])["accuracy"], round(scores([item], ["李"])["f1"], 2)
        (0.0, 0.67)
    """
    right, overlap = 0, 0
    for item, answer in zip(items, answers):
        true = {bare(p["answer"]) for p in item["passages"] if p["answer"]} or {""}
        answer = bare(answer)
        right += answer in true
        overlap += max(
            2 * (Counter(x) & Counter(answer)).total() / (len(x) + len(answer))
            if x and answer
            else float(x == answer)
            for x in true
        )
    accuracy, f1 = right / len(items), overlap / len(items)
    return {"final": (accuracy + f1) / 2, "accuracy": accuracy, "f1": f1}
