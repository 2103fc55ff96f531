"""The newest value wins: an outdated one is never sent without it."""

import pytest

from models.context import Prepared
from tests.unit.context.samples import joined, with_statements

UPDATES = [
    ("My budget is $500 for the whole trip.", "Actually, make my budget $700 instead.", "$500", "$700"),
    ("The deadline is March 3rd.", "The deadline moved to March 17th.", "March 3rd", "March 17th"),
    ("We meet on Tuesday at the usual place.", "Let's move it to Friday instead.", "Tuesday", "Friday"),
    ("I live in Leeds near the station.", "I've moved to Bristol last week.", "Leeds", "Bristol"),
    ("My email is ana@old.example.", "My email is now ana@new.example.", "ana@old", "ana@new"),
    ("The server port is 8080.", "Change the port to 9090 please.", "8080", "9090"),
    ("Use PostgreSQL 14 for the database.", "We upgraded: use PostgreSQL 16 instead.", "SQL 14", "SQL 16"),
    ("My name is Kat.", "Call me Katharine from now on.", "Kat.", "Katharine"),
    ("Book a table for 4 people at 7pm.", "Sorry, make it 6 people.", "4 people", "6 people"),
    ("Book the dinner at 7pm.", "Actually 8:30 pm would be better.", "7pm", "8:30 pm"),
    ("I work at Initech as an analyst.", "I just joined Globex as a manager.", "Initech", "Globex"),
    ("timeout: 30 seconds", "timeout: 45 seconds", "30 seconds", "45 seconds"),
    ("The flight leaves at 09:40.", "Update: the flight leaves at 11:15.", "09:40", "11:15"),
    ("I'd like the blue variant.", "I'd rather have the green one instead of the blue one.", "blue", "green"),
    ("Our CEO is Martha Klein.", "Our CEO is now Juan Ortega.", "Martha Klein", "Juan Ortega"),
    ("The rent is 1,200 euros.", "The rent has been raised to 1,350 euros.", "1,200", "1,350"),
    ("Let's use Redis.", "I changed my mind, let's switch from Redis to Memcached.", "Redis", "Memcached"),
    ("The room is B12.", "We no longer use B12; the room is C40.", "B12", "C40"),
    ("Set the temperature to 0.7.", "Lower the temperature to 0.2.", "0.7", "0.2"),
    ("My favourite colour is teal.", "My favourite colour is crimson these days.", "teal", "crimson"),
    ("Our launch is on 14 September.", "The launch has slipped to 2 October.", "14 Sept", "2 October"),
    ("I'd like a window seat.", "Could I have an aisle seat instead of the window one?", "window", "aisle"),
    ("Please write the report in French.", "Actually, write it in Spanish.", "French", "Spanish"),
    ("We agreed on a 10% discount.", "The discount is 15% after all.", "10%", "15%"),
    ("Deploy to eu-west-1.", "Deploy to us-east-2, not eu-west-1.", "eu-west-1", "us-east-2"),
    ("My partner's name is Sam.", "My partner's name is Alex.", "Sam", "Alex"),
]


@pytest.mark.parametrize(("old", "new", "old_value", "new_value"), UPDATES)
def test_an_outdated_value_is_not_sent_without_the_newest(
    old: str, new: str, old_value: str, new_value: str
) -> None:
    for seed in range(3):
        prepared = Prepared(with_statements(seed, old, new))
        for share in (0.5, 0.25, 0.1, 0.05):
            budget = int(prepared.reading.tokens * share)
            for question in (None, f"{old[:-1]}?", f"What about {old_value}?"):
                sent = joined(prepared.fit(budget, question).texts)
                assert old_value not in sent or new_value in sent


def test_of_a_chain_of_changes_the_last_is_sent() -> None:
    turns = with_statements(1, "My budget is $500.", "My budget is $600 now.", "My budget is $700 now.")
    prepared = Prepared(turns)
    sent = joined(prepared.fit(int(prepared.reading.tokens * 0.1), "What is my budget?").texts)
    assert "$700" in sent


def test_a_changed_fact_says_what_was() -> None:
    turns = with_statements(2, "My budget is $500 for the trip.", "My budget is $700 for the trip.")
    prepared = Prepared(turns)
    facts = {fact.text: fact.was for fact in prepared.reading.facts.stated}
    assert facts == {"My budget is $700 for the trip.": "$500"}
    assert "$700 for the trip. (was $500)" in joined(prepared.fit(prepared.reading.tokens // 2).texts)
