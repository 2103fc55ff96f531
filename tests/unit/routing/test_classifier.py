"""The classifier that the project comes with, and what becomes of one that is no good."""

import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from models.chat import Image, Message, Part, Role, Text
from models.errors import Internal
from models.routing import classify
from models.routing.artefact import (
    BUNDLED,
    FILES,
    HEADS,
    MANIFEST,
    SIGNATURE,
    Artefact,
    packed,
    read_artefact,
    read_signed,
    sha256,
)
from models.routing.classifier import TaskClassifier
from models.routing.sentences import EMBEDDED, Vectors
from models.routing.serving import RouterConfig, artefact_digest, load
from models.routing.staged import StagedClassifier
from models.routing.task import TASKS
from models.routing.training.signing import new_key, signature_of
from models.routing.turns import classified_text


@pytest.fixture(scope="module")
def artefact() -> Artefact:
    return read_signed(BUNDLED)


@pytest.fixture
async def served(signer: "_Signer") -> AsyncIterator[StagedClassifier]:
    """The bundled one serves, and whoever the signer has signed may follow."""
    staged = StagedClassifier(load=partial(load, trusted=[signer.trusted]))
    yield staged
    staged.close()


class _Signer(NamedTuple):
    key: Path
    trusted: Path

    def sign(self, directory: Path) -> None:
        (directory / SIGNATURE).write_bytes(signature_of((directory / MANIFEST).read_bytes(), self.key))


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> _Signer:
    made = _Signer(tmp_path_factory.mktemp("private") / "key.pem", tmp_path_factory.mktemp("public"))
    new_key(made.key, made.trusted / "own.pem")
    return made


@pytest.fixture(scope="module")
def classifier(artefact: Artefact) -> TaskClassifier:
    return TaskClassifier(artefact)


@pytest.mark.parametrize(
    ("text", "task", "language"),
    [
        ("Write a Python function that merges two sorted lists.", "code", "en"),
        ("If 3 pens cost 4.50, what do 7 pens cost?", "math_reasoning", "en"),
        ("Write a limerick about a lighthouse keeper who is afraid of the dark.", "writing", "en"),
        ("Fix the grammar in this sentence: him and me goes to school", "rewrite_edit", "en"),
        ("Translate into German: where is the nearest pharmacy?", "translation", "en"),
        ("Who painted the ceiling of the Sistine Chapel?", "knowledge_qa", "en"),
        ("What are the pros and cons of leasing a car compared with buying it?", "analysis", "en"),
        ("Give me some ideas for a rainy Sunday with two kids", "brainstorm_chat", "en"),
        ("请把下面的句子翻译成英文：我明天不去上班。", "translation", "zh"),
        ("用一句话总结上文的主要内容", "summarization", "zh"),
        ("Schreibe ein Gedicht über den Herbst", "writing", "de"),
        ("¿Quién escribió Cien años de soledad?", "knowledge_qa", "es"),
        ("Напиши функцию на Python, которая считает слова в файле", "code", "ru"),
    ],
)
def test_a_plain_request_is_recognised(
    classifier: TaskClassifier, text: str, task: str, language: str
) -> None:
    [prediction] = classifier.classify([text])
    assert (prediction.task, prediction.language, prediction.abstained) == (task, language, False)


@pytest.mark.parametrize("text", ["", "   \n", "qwpoei zxmnb qpwo", "....!!!???", "8f3a99c0d1e2aa07bb41"])
def test_what_is_no_request_is_a_guess_that_says_so(classifier: TaskClassifier, text: str) -> None:
    assert classifier.classify([text])[0].abstained


def test_probabilities_add_up_and_the_task_is_the_likeliest(classifier: TaskClassifier) -> None:
    for prediction in classifier.classify(
        ["hello there", "sum of 3 and 9", "改写这句话", "\ud800 half a pair"]
    ):
        assert sum(prediction.probabilities) == pytest.approx(1.0)
        assert prediction.confidence == max(prediction.probabilities)
        assert prediction.task == TASKS[int(np.argmax(prediction.probabilities))]
        assert 0.0 <= prediction.difficulty <= 1.0


def test_answers_come_in_the_order_of_the_texts() -> None:
    texts = ["prove that 2 is prime", "hi", "prove that 2 is prime", "translate: cat"]
    together = classify(texts)
    assert together[0] == together[2]
    assert [p.task for p in together] == [classify([text])[0].task for text in texts]
    assert classify([]) == []


class _Counting:
    """An encoder to which all texts are the same."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, texts: Sequence[str]) -> Vectors:
        self.texts += texts
        return np.full((len(texts), EMBEDDED), 0.01, np.float32)


def _asked(artefact: Artefact, **settings: int) -> tuple[TaskClassifier, _Counting]:
    encode = _Counting()
    classifier = TaskClassifier(artefact, encode=encode, **settings)
    encode.texts.clear()
    return classifier, encode


def test_the_encoder_sees_only_what_a_first_look_is_not_sure_of(artefact: Artefact) -> None:
    classifier, encode = _asked(artefact)
    unsure = "the usual, but different this time"
    classifier.classify(["Translate to French: good morning", unsure, "请问这件事究竟如何理解才好呢", ""])
    assert encode.texts == [unsure]


def test_a_text_seen_before_is_not_looked_at_again_until_it_is_forgotten(artefact: Artefact) -> None:
    classifier, encode = _asked(artefact, kept_answers=2)
    texts = [f"the usual, but different, number {n}" for n in ("one", "two", "three")]
    classifier.classify(texts[:2])
    classifier.classify(texts[:2])
    assert len(encode.texts) == 2
    classifier.classify(texts[2:])
    classifier.classify(texts[1:])
    assert len(encode.texts) == 3
    classifier.classify(texts[:1])
    assert len(encode.texts) == 4


def _cut_short(directory: Path) -> None:
    (directory / HEADS).write_bytes((directory / HEADS).read_bytes()[:-100])


def _gone(directory: Path) -> None:
    (directory / "encoder.onnx").unlink()


def _manifest(directory: Path, **changes: object) -> None:
    manifest = msgspec.json.decode((directory / MANIFEST).read_bytes())
    (directory / MANIFEST).write_bytes(msgspec.json.encode(manifest | changes))


def _other_schema(directory: Path) -> None:
    _manifest(directory, schema=99)


def _other_features(directory: Path) -> None:
    _manifest(directory, features="0" * 64)


def _other_tasks(directory: Path) -> None:
    _manifest(directory, tasks=["code"])


def _rewritten(directory: Path, name: str, content: bytes) -> None:
    (directory / name).write_bytes(content)
    sums = msgspec.json.decode((directory / MANIFEST).read_bytes())["sha256"]
    _manifest(directory, sha256=sums | {name: sha256(content)})


def _heads(directory: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    heads = dict(read_artefact(BUNDLED).heads)
    _rewritten(directory, HEADS, packed(heads | {"second": change(heads["second"])}))


def _no_numbers(directory: Path) -> None:
    _heads(directory, lambda second: np.full_like(second, np.nan))


def _other_shape(directory: Path) -> None:
    _heads(directory, lambda second: second[:-3])


def _pickled(directory: Path) -> None:
    np.save(directory / "objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    _rewritten(directory, HEADS, (directory / "objects.npy").read_bytes())


def _no_graph(directory: Path) -> None:
    _rewritten(directory, "encoder.onnx", b"no graph")


@pytest.mark.parametrize(
    "spoil",
    [
        _cut_short,
        _gone,
        _other_schema,
        _other_features,
        _other_tasks,
        _no_numbers,
        _other_shape,
        _pickled,
        _no_graph,
    ],
)
async def test_a_bad_artefact_is_refused_and_the_old_one_goes_on_serving(
    spoil: Callable[[Path], None], tmp_path: Path, signer: _Signer, served: StagedClassifier
) -> None:
    asked = (Message("user", (Text("translate to dutch: cheese"),)),)
    before = await served.classify(asked)
    bad = tmp_path / "bad"
    shutil.copytree(BUNDLED, bad)
    spoil(bad)
    signer.sign(bad)
    await served.use(RouterConfig(artefact=bad))
    assert await served.classify(asked) == before
    with pytest.raises(Internal):
        load(bad, trusted=[signer.trusted])


def _unsigned(directory: Path, _: _Signer) -> None:
    (directory / SIGNATURE).unlink()


def _changed_after_it_was_signed(directory: Path, signer: _Signer) -> None:
    signer.sign(directory)
    _manifest(directory, version="another")


def _signed_by_a_stranger(directory: Path, _: _Signer) -> None:
    stranger = _Signer(directory / "stranger.pem", directory)
    new_key(stranger.key, directory / "public" / "stranger.pem")
    stranger.sign(directory)


def _signed_without_saying_what_for(directory: Path, signer: _Signer) -> None:
    key = load_pem_private_key(signer.key.read_bytes(), password=None)
    assert isinstance(key, Ed25519PrivateKey)
    (directory / SIGNATURE).write_bytes(key.sign((directory / MANIFEST).read_bytes()))


def _endless(directory: Path, _: _Signer) -> None:
    (directory / SIGNATURE).write_bytes(b"x" * 100_000)


@pytest.mark.parametrize(
    "forge",
    [
        _unsigned,
        _changed_after_it_was_signed,
        _signed_by_a_stranger,
        _signed_without_saying_what_for,
        _endless,
    ],
)
def test_what_nobody_trusted_has_signed_does_not_serve(
    forge: Callable[[Path, _Signer], None], tmp_path: Path, signer: _Signer
) -> None:
    forged = tmp_path / "forged"
    shutil.copytree(BUNDLED, forged)
    forge(forged, signer)
    with pytest.raises(Internal, match="not trusted"):
        load(forged, trusted=[signer.trusted])


def test_an_own_key_is_trusted_only_where_it_is_named(tmp_path: Path, signer: _Signer) -> None:
    own = tmp_path / "own"
    shutil.copytree(BUNDLED, own)
    signer.sign(own)
    with pytest.raises(Internal, match="not trusted"):
        load(own)
    assert load(own, trusted=[signer.trusted]).digest == artefact_digest(own)


def test_a_folder_of_keys_that_holds_something_else_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "note.pem").write_text("no key")
    with pytest.raises(Internal, match="not trusted"):
        read_signed(BUNDLED, trusted=[tmp_path])


async def test_a_good_artefact_serves_from_the_next_call_on(
    tmp_path: Path, signer: _Signer, served: StagedClassifier
) -> None:
    good = tmp_path / "good"
    shutil.copytree(BUNDLED, good)
    _manifest(good, version="next")
    signer.sign(good)
    await served.use(RouterConfig(artefact=good))
    told = await served.classify((Message("user", (Text("hello"),)),))
    assert (told.artefact, told.task in TASKS) == (artefact_digest(good), True)


async def test_in_a_hurry_the_first_look_answers_and_nobody_remembers_it(artefact: Artefact) -> None:
    classifier = TaskClassifier(artefact)
    text = "What do you make of the plan that we spoke of, all in all?"
    hurried = classifier.classify([text], hurried=True)
    assert classifier.by_encoder == 0
    careful = classifier.classify([text])
    assert classifier.by_encoder == 1
    assert careful != hurried
    # What was looked at with care is at hand, in a hurry too.
    assert classifier.classify([text], hurried=True) == careful


def test_the_bundled_artefact_is_small_and_says_where_it_comes_from(artefact: Artefact) -> None:
    assert sum((BUNDLED / name).stat().st_size for name in FILES) <= 30_000_000
    trained = artefact.manifest.trained
    assert trained.sources
    assert "codealpaca" not in trained.sources
    assert artefact.manifest.metrics["cascade_accuracy"] > artefact.manifest.metrics["majority_accuracy"]


def _said(role: Role, *texts: str) -> Message:
    return Message(role=role, parts=tuple(Text(text) for text in texts))


LONG = "word " * 2_000


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([], ""),
        ([_said("system", "You translate.")], ""),
        ([_said("system", "Be brief."), _said("user", "Who was Ada Lovelace?")], "Who was Ada Lovelace?"),
        (
            [
                _said("user", "Translate to French: hello"),
                _said("assistant", "bonjour"),
                _said("user", "and in Spanish?"),
            ],
            "Translate to French: hello\n\nand in Spanish?",
        ),
        (
            [
                _said("user", "Write a poem about rain"),
                _said("assistant", "…"),
                _said("user", "Make it half as long and a little more cheerful, please"),
            ],
            "Write a poem about rain\n\nMake it half as long and a little more cheerful, please",
        ),
        (
            [
                _said("user", "hi"),
                _said("assistant", "hello"),
                _said("user", "Explain how tides come about and why there are two a day"),
            ],
            "Explain how tides come about and why there are two a day",
        ),
        ([_said("user", "one", "two")], "one\ntwo"),
        (
            [
                Message(role="user", parts=(Image(url="https://example.com/a.png"),)),
                _said("user", "what is it"),
            ],
            "what is it",
        ),
    ],
)
def test_the_last_turn_decides_in_the_light_of_the_one_that_it_stands_on(
    messages: list[Message], expected: str
) -> None:
    assert classified_text(messages) == expected


def test_of_a_long_turn_head_and_tail_are_looked_at() -> None:
    text = classified_text([_said("user", "Summarise this.\n" + LONG + "\nIn two lines.")])
    assert len(text) < 4_000
    assert text.startswith("Summarise this.")
    assert text.endswith("In two lines.")


def test_a_conversation_is_classified_by_its_last_turn(classifier: TaskClassifier) -> None:
    turns = [
        _said("user", "Translate to French: hello"),
        _said("assistant", "bonjour"),
        _said("user", "and in Spanish?"),
    ]
    parts: tuple[Part, ...] = (Text("and in Spanish?"),)
    assert classifier.classify_turns([turns])[0].task == "translation"
    assert (
        classifier.classify_turns([[*turns[:2], Message(role="user", parts=parts)]])[0].task == "translation"
    )
