"""Three conversations made up for tests, each with questions about it and what an answer has to hold."""

import json
from typing import Any, NamedTuple

Turns = list[dict[str, Any]]


class Sample(NamedTuple):
    turns: Turns
    probes: list[tuple[str, str]]
    """A question, and words that stand in the turn which answers it."""


_PLANNING = """
I'm planning a trip for the choir, twenty-three of us, to Ljubljana.|Lovely. When, and for how long?
We leave Graz on Friday the 12th of June and come back on Monday.|So three nights. By coach or by train?
By coach. Marta's firm, Alpen-Linie, quoted 1,480 euros.|That is about 64 euros a head.
Jonas and Frau Pichler use wheelchairs, so the coach needs a lift.|I'll note that it needs a lift.
What is the weather like there in June?|Warm, around 25 degrees, with showers in the afternoon.
We sing in the Franciscan church on Saturday at 5 pm.|Do you need a rehearsal slot before?
Yes, Father Matej offered us the church from 2 to 3:30.|Good, that leaves time for a break.
Do they have a piano there?|Churches of that kind usually have an organ; better ask him.
He says the organ was restored in 2019 and is tuned to 442 hertz.|Worth telling your organist early.
Our organist is Veronika, she'd rather have it in writing.|Then put the tuning into the letter to her.
For lodging I looked at the Hostel Celica, an old prison.|It is well known; group rooms fill up quickly.
They have eleven beds left, so we also need rooms at the Hotel Park.|That is a ten-minute walk away.
Nobody should pay more than 75 euros a night.|I'll keep to 75 a night at most.
Klaus snores terribly, please give him a single room.|One single room for Klaus, then.
What did people sing at the congress of 1821?|Italian opera mostly, performed for the delegates.
For Sunday I'd like an outing to Lake Bled.|It is an hour by coach; boats go to the island.
The boats cost 18 euros each, I called them.|So 414 euros for everybody.
Half of the group would rather hike up to Ojstrica.|The climb takes about forty minutes.
Then let's do both and meet at the Park cafe at one.|Both it is, meeting at one in the Park cafe.
Cake there is famous, isn't it?|The cream slice, yes.
Brigitte can't eat gluten and Omar is vegetarian.|I'll ask the restaurants about both.
On Saturday night we have a table at Gostilna Sokol.|For how many and at what time?
For twenty-five, two guests are coming, at half past seven.|Noted, twenty-five at half past seven.
The programme will be printed by Studio Nord, they need it by May 20th.|Three weeks before, then.
We open with Gallus and end with a piece by Lebič.|A fine frame for the evening.
How do you pronounce Lebič?|Roughly LEH-beech.
Insurance is through the association, policy number KV-77310-B.|Keep it with the papers on the coach.
If anybody falls ill, Dr Hafner sings bass and is a physician.|Reassuring to have one aboard.
I still need someone to feed my parrot while we're away.|A neighbour, perhaps?
My neighbour Senad will do it, he has the keys already.|Splendid, one worry less.
"""
_PLANNING_PROBES = [
    ("Which firm runs the coach?", "Alpen-Linie"),
    ("What did the coach firm quote?", "1,480"),
    ("Who needs the wheelchair lift?", "Frau Pichler"),
    ("When can we rehearse in the church?", "2 to 3:30"),
    ("How is the organ tuned?", "442 hertz"),
    ("Who is our organist?", "Veronika"),
    ("How many beds are left at the hostel?", "eleven beds"),
    ("What may a night cost at most?", "75 euros"),
    ("Why does Klaus get a single room?", "snores"),
    ("What do the boats cost?", "18 euros"),
    ("Where do hikers and boaters meet?", "Park cafe"),
    ("Who can't eat gluten?", "Brigitte"),
    ("When is our table on Saturday night?", "half past seven"),
    ("Who prints the programme?", "Studio Nord"),
    ("What do we end the programme with?", "Lebič"),
    ("What is the insurance policy number?", "KV-77310-B"),
    ("Which of the singers is a physician?", "Dr Hafner"),
    ("Who feeds the parrot?", "Senad"),
]
_TRANSCRIPT = """
Noor Haddad: Morning. Shall we start with the greenhouse sensors?
Tom Bright: Um, yeah, fine by me.
Noor Haddad: Two of the six went silent on Tuesday night.
Ada Voss: It was the batteries. The cold drains them, they were below 2.7 volts.
Tom Bright: Right.
Ada Voss: I put lithium cells into all six, they should last two winters.
Noor Haddad: Who pays for that?
Ada Voss: It came to 86 pounds, I charged it to the spring account.
Tom Bright: Okay, good.
Noor Haddad: Next, the school visit. Tom?
Tom Bright: Thirty-one children from Mill Lane Primary, on the ninth.
Tom Bright: Their teacher, Mr Abara, asked whether they may sow something.
Ada Voss: Radishes. They come up within a week, children like that.
Noor Haddad: Lovely idea.
Tom Bright: Then I need seed for four trays.
Ada Voss: There is a drawer full, next to the kettle.
Noor Haddad: Ha, of course there is.
Ada Voss: The blue gate sticks, by the way. A child could catch a finger.
Noor Haddad: I'll ask Ferris to plane it before the visit.
Tom Bright: Hmm, is he back from Norway?
Noor Haddad: Since Sunday, yes.
Ada Voss: Then there is the fox.
Tom Bright: What fox?
Ada Voss: She has a den behind the compost, with at least three cubs.
Noor Haddad: So nobody turns the compost until July, agreed?
Tom Bright: Agreed.
Ada Voss: Agreed.
Noor Haddad: And the plum tree. It lost a limb in the storm.
Ada Voss: I sealed the wound with wax. It may live, it may not.
Tom Bright: Pity, it was my grandmother's favourite.
Noor Haddad: Was she a member?
Tom Bright: She founded the place, in 1958.
Ada Voss: I never knew that!
Noor Haddad: We should put up a plaque.
Tom Bright: She'd have hated a plaque. A bench, maybe.
Noor Haddad: A bench, then. Oak?
Tom Bright: Larch. It weathers better.
Ada Voss: Funds stand at 2,310 pounds, so a bench is possible.
Noor Haddad: Good. Anything else?
Tom Bright: The water company comes on the fourteenth to read the meter.
Noor Haddad: Somebody has to let them in.
Ada Voss: I'm here that day anyway, for the bees.
Noor Haddad: How are the bees?
Ada Voss: One hive swarmed. Mrs Lund across the road caught it in a hatbox.
Tom Bright: In a hatbox!
Noor Haddad: Okay, we are done. Same time in two weeks?
Tom Bright: I can't, I'm at my sister's in Cork.
Noor Haddad: Three weeks, then.
"""
_TRANSCRIPT_PROBES = [
    ("Why did the sensors go silent?", "batteries"),
    ("What did the new cells cost?", "86 pounds"),
    ("Which school comes for a visit?", "Mill Lane Primary"),
    ("What will the children sow?", "Radishes"),
    ("Where is the seed kept?", "next to the kettle"),
    ("What is wrong with the blue gate?", "sticks"),
    ("Where was Ferris?", "Norway"),
    ("Where does the fox have her den?", "behind the compost"),
    ("When was the place founded?", "1958"),
    ("What wood does Tom want for the bench?", "Larch"),
    ("How much money is in the funds?", "2,310"),
    ("When does the water company come?", "fourteenth"),
    ("Who caught the swarm?", "Mrs Lund"),
    ("Where will Tom be in two weeks?", "Cork"),
]
_PARTS = [
    ("PX-11", "hub gear", "Velden", 129.0, 4),
    ("PX-12", "bottom bracket", "Velden", 31.5, 40),
    ("PX-19", "brake lever", "Orsa", 18.9, 12),
    ("PX-23", "dynamo hub", "Orsa", 94.0, 0),
    ("PX-31", "saddle clamp", "Velden", 6.2, 220),
]
_SUPPLIERS = {
    "Velden": {"contact": "Ilse Brandt", "phone": "0341 5550 182", "terms": "30 days net"},
    "Orsa": {"contact": "Paolo Greco", "phone": "0471 5550 907", "terms": "prepaid"},
}
_WORKSHOP_TALK = """
Which of our repairs are late?|Frame 7 waits for paint, the tandem waits for a fork.
The tandem belongs to the Okafors, they want it by the 22nd.|Then the fork has to come this week.
Paint Frame 7 in moss green, not in the grey of the old one.|Moss green for Frame 7.
Who is on the bench tomorrow?|Lina in the morning and Desmond from noon on.
Desmond is learning to true wheels, give him the easy ones.|He gets the front wheels.
What is a good torque for a stem bolt?|Five newton metres for most, look at the print.
The compressor trips the fuse whenever the kiln runs.|Put them on different circuits, then.
Write down that the spare fuse is in the tin by the till.|The spare fuse is in the tin by the till.
Does a belt drive need oil?|No, water and a brush will do.
The city wants a quote for forty rental bikes.|By when, and with what equipment?
By the end of the month, with child seats on ten of them.|Ten of the forty with child seats.
"""
_WORKSHOP_PROBES = [
    ("What does PX-19 cost?", "18.9"),
    ("Which part is the dynamo hub?", "PX-23"),
    ("Who is the contact at Orsa?", "Paolo Greco"),
    ("What is the phone number of Velden?", "0341 5550 182"),
    ("Whose tandem is it?", "Okafors"),
    ("In which colour is Frame 7 painted?", "moss green"),
    ("Where is the spare fuse?", "tin by the till"),
    ("What is Desmond learning?", "true wheels"),
    ("How many rental bikes does the city want?", "forty rental bikes"),
    ("How many of them need child seats?", "child seats on ten"),
]


def samples() -> dict[str, Sample]:
    return {
        "planning": Sample(_exchanges(_PLANNING), _PLANNING_PROBES),
        "transcript": Sample(_transcript(_TRANSCRIPT), _TRANSCRIPT_PROBES),
        "workshop": Sample(_workshop(), _WORKSHOP_PROBES),
    }


def _exchanges(text: str) -> Turns:
    turns: Turns = []
    for line in text.strip().splitlines():
        asked, answered = line.split("|")
        turns += [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
    return turns


def _transcript(text: str) -> Turns:
    lines = text.strip().splitlines()
    return [{"role": ("user", "assistant")[place % 2], "content": line} for place, line in enumerate(lines)]


def _workshop() -> Turns:
    fields = ("sku", "name", "maker", "price", "stock")
    filler = [(f"PX-{n}", f"spacer ring {n}", "Velden", 1.5, n) for n in range(40, 90)]
    parts = [dict(zip(fields, row, strict=True)) for row in (*_PARTS, *filler)]
    talk = _exchanges(_WORKSHOP_TALK)
    return [
        *talk[:8],
        *_called("call_1", "list_parts", {"warehouse": "north"}, parts),
        {"role": "assistant", "content": "There are 55 parts in the north warehouse."},
        *talk[8:14],
        *_called("call_2", "suppliers", {}, _SUPPLIERS),
        {"role": "assistant", "content": "We have two suppliers on file."},
        *talk[14:],
    ]


def _called(call_id: str, name: str, arguments: dict[str, Any], answer: object) -> Turns:
    return [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": call_id, "name": name, "arguments": arguments}],
        },
        {"role": "tool", "tool_call_id": call_id, "name": name, "content": json.dumps(answer)},
    ]
