"""The guard of the semantic cache: which questions are taken for one, and what tells others apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.caching.guard import Difference, difference
from models.caching.question import known_words

SAME = [
    ("How do I change my address?", "How can I change my address please?"),
    ("How do I change my address?", "Could you tell me how to change my address?"),
    ("How do I change my address?", "what is the best way to change my address"),
    ("What is entropy?", "what is entropy"),
    ("What is entropy?", "Explain what entropy is"),
    ("What is the mass of Jupiter?", "What's the mass of jupiter?"),
    ("How do I delete a row in pandas?", "In pandas, how do I remove a row?"),
    ("Who wrote Dune?", "Who is the author of Dune?"),
    ("How much is 1,000 yen?", "How much is 1000 yen?"),
    ("Give me 3 tips for sleeping", "Give me three tips for sleeping"),
    ("Is tea healthy?", "Is the tea healthy?"),
    ("Don't I need a licence?", "Do I not need a licence?"),
    ("When is it dark in the north in June?", "In June, when is it dark in the north?"),
    ("Is a “flat white” strong?", 'Is a "flat white" strong?'),
    ("How do I use C++20 modules?", "How can I use C++20 modules?"),
    ("What does np.where() return?", "what does np.where() return"),
    ("「猫」は英語で何ですか", "「猫」は英語で何ですか。"),
]

TOLD_APART: dict[Difference, list[tuple[str, str]]] = {
    "number": [
        ("Draw 3 cats", "Draw 4 cats"),
        ("Draw three cats", "Draw two cats"),
        ("Is 7 prime?", "Is 7.5 prime?"),
        ("What ended in 1918?", "What ended in 1919?"),
        ("the 3rd planet", "the 4th planet"),
        ("the third planet", "the fourth planet"),
        ("Use Python 3.11", "Use Python 3.1"),
        ("Pay 20% now", "Pay 20 now"),
        ("5km run", "5mi run"),
        ("a dozen eggs", "an egg"),
    ],
    "negation": [
        ("Can I refund it?", "Can't I refund it?"),
        ("meals with meat", "meals with no meat"),
        ("words that have a vowel", "words that never have a vowel"),
        ("everything but fish", "everything except fish"),
        ("Darf man hier parken?", "Darf man hier nicht parken?"),
        ("un régime avec du sucre", "un régime sans sucre"),
        ("recetas con huevo", "recetas sin huevo"),
    ],
    "opposite": [
        ("Unlock the door", "Lock the door"),
        ("how to import a key", "how to export a key"),
        ("the tide is high", "the tide is low"),
        ("when will he arrive", "when will he depart"),
        ("pros of nuclear power", "cons of nuclear power"),
        ("the film his father made", "the film her father made"),
        ("red and blue", "red or blue"),
    ],
    "entity": [
        ("Fly to Oslo", "Fly to Bergen"),
        ("the GNU licence", "the MIT licence"),
        ("an iPhone case", "a Pixel case"),
        ("What does os.getcwd return?", "What does os.getpid return?"),
        ('Translate "cat"', 'Translate "dog"'),
        ("Write to ann@example.com", "Write to bob@example.com"),
        ("Use C++", "Use C"),
    ],
    "question": [
        ("When did Elvis sing?", "Where did Elvis sing?"),
        ("Who broke it?", "Why did it break?"),
        ("Is bread made of wheat?", "How is bread made of wheat?"),
        ("Can I move my pension?", "How do I move my pension?"),
        ("What is glass made of?", "How is glass made?"),
    ],
    "modal": [("Should I call them?", "Can I call them?"), ("Must I reply?", "Will I reply?")],
    "person": [
        ("Where is my bag?", "Where is your bag?"),
        ("Is he right?", "Are they right?"),
        ("What is my quota?", "What is a quota?"),
        ("Did she vote?", "Did anyone vote?"),
    ],
    "tense": [
        ("Who is the queen of Spain?", "Who was the queen of Spain?"),
        ("Does it rain?", "Did it rain?"),
        ("Is it open?", "Will it open?"),
    ],
    "words": [
        ("flights to oslo", "flights to bergen"),
        ("best camera", "best camera for sports"),
        ("the rules of chess", "the history of chess"),
        ("a letter to my boss", "a letter about my boss"),
        ("How do I get a cat?", "How do I name a cat?"),
        ("What is a crocodile?", "What is an alligator?"),
        ("How do I block them?", "How do I know if they block me?"),
        ("paint the wall red", "paint the wall green"),
        ("冬の服", "夏の服"),
    ],
    "order": [
        ("Can I evict my tenant?", "Can my tenant evict me?"),
        ("convert feet to metres", "convert metres to feet"),
        ("Is gold heavier than lead?", "Is lead heavier than gold?"),
        ("how many cents are in a euro", "how many euros are in a cent"),
        ("Did the cat chase the mouse?", "Did the mouse chase the cat?"),
    ],
}


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_is_put_otherwise_is_one_question(one: str, other: str) -> None:
    assert (difference(one, other), difference(other, one)) == (None, None)


@pytest.mark.parametrize(
    ("reason", "one", "other"), [(reason, *pair) for reason, pairs in TOLD_APART.items() for pair in pairs]
)
def test_what_asks_something_else_is_told_apart(reason: str, one: str, other: str) -> None:
    assert (difference(one, other), difference(other, one)) == (reason, reason)


@pytest.mark.parametrize("pair", known_words().opposites, ids=" ".join)
def test_every_pair_of_opposites_is_told_apart(pair: tuple[str, str]) -> None:
    left, right = (f"tell me what is {word} in the garden" for word in pair)
    assert difference(left, right) is not None
    assert difference(right, left) is not None


def test_words_that_are_synonyms_are_no_opposites() -> None:
    rows = [set(row) for row in known_words().synonyms]
    assert [pair for pair in known_words().opposites if any(set(pair) <= row for row in rows)] == []


@given(st.text(max_size=80), st.text(max_size=80))
def test_it_takes_any_text_and_does_not_depend_on_which_came_first(one: str, other: str) -> None:
    assert difference(one, one) is None
    assert (difference(one, other) is None) == (difference(other, one) is None)
