"""The words and plots of the demo stories: plain data, told by `stories`.

In a sentence `{h}` is the hero and `{f}` the friend who helps, `{animal}` and `{friend}` what they are; `{he}`,
`{him}`, `{his}` go with the hero (`{He}`, `{His}` at the start of a sentence) and `{him_f}` with the friend, `{F}`
is the friend's name or "He"/"She". An empty sentence is one left out. Every word here costs a small model time to
learn: about 250 different ones are enough for variety, and few enough for a first minute.
"""

from __future__ import annotations

from dataclasses import dataclass

Words = dict[str, str]

MALE = ("Otto", "Tom", "Finn", "Max", "Ben")
FEMALE = ("Mia", "Nell", "Ruby", "Lulu", "Ida")

# A hen is never called Otto.
FEMALE_ONLY = ("hen",)
ANIMALS = ("mouse", "mole", "hare", "fox", "bear", "goat", "owl", "crow", "duck", "frog", "cat", "hen")
# Each can be called kind or happy; only these are called by their size.
SIZES = {"mouse": "little ", "mole": "little ", "frog": "little ", "bear": "big ", "goat": "big "}

# Chosen anew for every story, whatever its plot.
SCENERY = {
    "home": (
        "in a house by the sea",
        "under an old tree",
        "near the pond",
        "in a small red house",
        "on a green hill",
    ),
    "place": ("on the hill", "in the garden", "in the woods", "by the sea", "near the pond"),
    "time": ("One day", "One morning", "One windy day", "One warm day", "One winter day"),
    "nature": ("kind", "happy", "brave", "sleepy", "merry"),
    "color": ("red", "blue", "yellow", "green", "white"),
    "gift": ("a warm cake", "a pot of honey", "a bag of apples", "a bag of nuts", "some bread"),
}

# What helpers say and do, wherever help is needed.
OFFERS = {
    "owl": "I can fly", "crow": "I can fly", "cat": "I can climb", "duck": "I can swim", "frog": "I can swim",
    "mouse": "I am small", "mole": "I can dig", "bear": "I am strong", "goat": "I am strong",
}  # fmt: skip
DEEDS = {
    "owl": "{F} flew up and came back with the {thing}.",
    "crow": "{F} flew up into the tree and brought the {thing} down.",
    "cat": "{F} climbed up and threw the {thing} down.",
    "duck": "{F} swam out and brought the {thing} back.",
    "frog": "{F} jumped into the water and came up with the {thing}.",
    "mouse": "{F} went into the hole and came out with the {thing}.",
    "mole": "{F} dug and dug, and there was the {thing}.",
    "bear": "{F} pushed once, and the stone rolled away.",
    "goat": "{F} put {his_f} head down and pushed the stone away.",
}

Beat = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """One kind of story: who can help in it, words that belong together, and its sentences in order."""

    helpers: tuple[str, ...]
    """Animals that the friend may be; the hero is none of them."""
    beats: tuple[Beat, ...]
    """One sentence (or two that belong together) is taken from each."""
    words: tuple[tuple[Words, ...], ...] = ()
    """One entry is taken from each."""


def _things(*names: str) -> tuple[Words, ...]:
    return tuple({"thing": name} for name in names)


_OPENING: Beat = (
    "Once there was {a_animal} named {h}. {He} lived {home}.",
    "{h} was a {nature} {size}{animal} who lived {home}.",
    "{Home} lived {h}, a {nature} {size}{animal}.",
    "Once there was a {nature} {size}{animal}. {His} name was {h}.",
)
_MEETING: Beat = (
    "Then {f} the {friend} came by.",
    "{f} the {friend} heard {him} and came to see.",
)
_THANKS: Beat = (
    "",
    "",
    '"Thank you, {f}!" said {h}.',
    '"You are a good friend," said {h}.',
    "{h} danced for joy.",
)


def _lost(helpers: tuple[str, ...], things: tuple[Words, ...], trouble: Beat, vain: Beat) -> Plot:
    return Plot(
        helpers,
        (
            _OPENING,
            (
                "{time} {he} played with {his} {color} {thing} {place}.",
                "{He} had a {color} {thing}. {time} {he} took it out to play.",
                "{time} {he} found a {color} {thing} {place}.",
            ),
            trouble,
            ('"Oh no!" said {h}.', '"Oh no, my {thing}!" cried {h}.', "{h} was very sad.", *vain),
            _MEETING,
            (
                "",
                '"Can you help me?" asked {h}.',
                '"Why are you sad?" asked {f}. "My {thing} is gone," said {h}.',
                "{h} told {him_f} about the {thing}.",
            ),
            ('"{offer}," said {f}.', '"{offer}," said {f}. "Wait here."'),
            ("{deed}",),
            _THANKS,
            (
                "They played together until the moon came up.",
                "From that day on they were friends.",
                "Then they went home and drank tea.",
                "That night {h} put the {thing} next to {his} bed and slept well.",
                "And the next day they played together again.",
            ),
        ),
        (things,),
    )


def _visit(helpers: tuple[str, ...], trouble: Beat, offer: Beat, deed: Beat) -> Plot:
    return Plot(
        helpers,
        (
            _OPENING,
            (
                "{time} {he} went to see {his} {aunt} and took {gift} with {him}.",
                '{time} {he} said, "I will bring my {aunt} {gift}."',
            ),
            trouble,
            ("", '"What can I do?" said {h}.', "{h} was tired and sad."),
            _MEETING,
            offer,
            deed,
            (
                "The {aunt} was very happy and gave them both some tea.",
                "The {aunt} stood at the door and laughed for joy.",
                'The {aunt} said, "How kind you are!"',
            ),
            ("", "All three sat by the fire.", "It was a very good evening."),
        ),
        (({"aunt": "grandmother"}, {"aunt": "aunt"}),),
    )


def _baking(helper: str, no_need: str, need: str) -> Plot:
    return Plot(
        (helper,),
        (
            _OPENING,
            (
                "{time} {he} wanted to make {a_thing}.",
                '{time} {he} said, "Today I will make {a_thing}."',
                "{time} {he} was hungry and wanted to make {a_thing}.",
            ),
            ("But there {no_need} in the house.", "{He} looked and looked, but there {no_need}."),
            ("So {he} went to see {f} the {friend}.", "So {he} knocked at the door of {f} the {friend}."),
            ('"Can you give me some {need}?" asked {h}.', '"May I have some {need}?" asked {h}.'),
            (
                '"Take all you need," said {f}.',
                '"Yes, but I want some of the {thing}," said {f}.',
                '"I have more than I can eat," said {f}.',
            ),
            ("", "{h} ran home and made the {thing}.", "Soon the {thing} was done."),
            (
                "They ate the {thing} together, and it was very good.",
                "In the evening {f} came, and they ate it all up.",
                "The {thing} was so good that they made it again the next day.",
                "{h} gave half of the {thing} to {f}.",
            ),
            ("", "From that day on they were friends.", "They sang until the moon came up."),
        ),
        (
            ({"need": need, "no_need": no_need},),
            (
                {"thing": "cake", "a_thing": "a cake"},
                {"thing": "pie", "a_thing": "a pie"},
                {"thing": "bread", "a_thing": "some bread"},
            ),
        ),
    )


_LOST = (
    _lost(
        ("owl", "crow", "cat"),
        _things("kite", "hat", "ball"),
        (
            "But the wind blew the {thing} up into an old tree.",
            "Then the {thing} flew up into a tree and stayed there.",
            "But soon the {thing} was high up in a tree.",
        ),
        ("{h} jumped and jumped, but the tree was too high.", "{h} could not climb the tree."),
    ),
    _lost(
        ("duck", "frog"),
        _things("boat", "ball", "hat"),
        (
            "But the {thing} fell into the pond.",
            "Then the {thing} rolled down the hill and into the pond.",
            "But the wind blew the {thing} into the pond.",
        ),
        ("{h} could not swim.", "The water was cold, and {h} was afraid of it."),
    ),
    _lost(
        ("mouse", "mole"),
        _things("ball", "bell", "ring"),
        (
            "But the {thing} rolled away and fell into a dark hole.",
            "Then the {thing} fell down into a hole.",
            "But there was a hole under a tree, and the {thing} fell into it.",
        ),
        ("{h} was too big for the hole.", "The hole was dark, and {h} was afraid of it."),
    ),
)

_VISIT = (
    _visit(
        ("bear", "goat"),
        (
            "But a big stone lay on the way. {h} pushed and pushed, but it did not roll.",
            "On the way there was a stone as big as a house.",
        ),
        ('"{offer}," said {f}.', '"Can I help you?" asked {f}.'),
        ("{deed}",),
    ),
    _visit(
        ("owl", "cat"),
        (
            "But the way was long, and soon it was dark.",
            "Then the sun went down, and {h} was lost in the dark woods.",
        ),
        (
            '"I can see at night," said {f}.',
            '"I know the way home," said {f}.',
            '"Can I help you?" asked {f}.',
        ),
        ("{F} went first, and {h} went after {him_f}.", "So they went on together."),
    ),
)

_BAKING = (
    _baking("hen", "were no eggs", "eggs"),
    _baking("goat", "was no milk", "milk"),
    _baking("bear", "was no honey", "honey"),
    _baking("mouse", "were no nuts", "nuts"),
    _baking("crow", "were no apples", "apples"),
)

_NIGHT = Plot(
    ("crow", "frog", "mouse", "hare", "cat", "hen"),
    (
        _OPENING,
        (
            "One night {he} lay in bed and heard a knock at the door.",
            "One night the wind was high, and someone knocked at the door.",
            "One dark night {he} woke up. Tap, tap, tap!",
        ),
        ("{h} was afraid.", "{h} hid under the bed.", '"Oh no!" said {h}.'),
        ('"Who is there?" {he} asked.', '"Are you a ghost?" {he} asked.'),
        (
            '"I am not a ghost. I am {f} the {friend}, and I am {state}."',
            '"I am {f} the {friend}, and I am {state}."',
        ),
        ("", "{h} had to laugh."),
        ('"Come in!" said {h}, and gave {him_f} {comfort}.', "So {h} gave {him_f} {comfort}."),
        (
            "They told stories until the sun came up.",
            "In the morning {f} made tea for {h}.",
            "And {h} was not afraid at night again.",
            "From that day on they were friends.",
        ),
    ),
    (
        (
            {"state": "cold", "comfort": "a warm bed"},
            {"state": "wet", "comfort": "a warm bed by the fire"},
            {"state": "hungry", "comfort": "some warm bread"},
            {"state": "lost", "comfort": "a bed for the night"},
            {"state": "afraid of the dark", "comfort": "some tea"},
        ),
    ),
)

_BIRTHDAY = Plot(
    ("mole", "hare", "fox", "bear", "goat"),
    (
        _OPENING,
        ("It was {his} birthday, but no one came.", "{time} it was {his} birthday, but no one knew."),
        (
            "{h} sat in {his} house and was sad.",
            "{h} made some tea and drank it alone.",
            '"No one knows," said {h}.',
        ),
        ("Then someone knocked.", "Then there was a knock at the door.", "Then {he} heard someone sing."),
        ("It was {f} the {friend} with {gift}!", "There stood {f} the {friend} with a {color} {thing}!"),
        (
            '"I know what day it is," said {f}.',
            '"Here I am," said {f}.',
            '"A happy birthday to you!" said {f}.',
        ),
        _THANKS,
        ("They danced all night.", "It was a very good birthday.", "They sang until the moon came up."),
    ),
    (_things("kite", "ball", "hat", "boat"),),
)

_SEED = Plot(
    ("mole", "hen", "goat", "hare"),
    (
        _OPENING,
        ("In spring {he} put a seed in the garden.", "In spring {he} found a seed and put it in the garden."),
        (
            "{He} looked every day, but nothing came up.",
            "{He} looked the next day. Nothing! {He} looked again. Nothing!",
        ),
        ('"It is not good," said {h}.', '"When will it come up?" asked {h}.', "{h} was very sad."),
        ("{f} the {friend} laughed.", "{f} the {friend} came by and looked at it too."),
        ('"{advice}," said {f}.', '"It sleeps," said {f}. "{advice}."'),
        ("{care}",),
        ("One morning there was a little {thing}!", "Then the sun came out, and there was a little {thing}!"),
        ("", '"Thank you, {f}!" said {h}.', "They danced for joy."),
    ),
    (
        _things("flower", "apple tree", "rose"),
        (
            {"advice": "Sing for it", "care": "So {h} sang for the seed every evening."},
            {"advice": "Give it water", "care": "So {h} gave it water every day."},
            {"advice": "Tell it stories", "care": "So they sat down together and told it stories."},
        ),
    ),
)

# A plot is taken from one of these; lost things twice as often, since they show best what is understood.
PLOTS: tuple[tuple[Plot, ...], ...] = (_LOST, _LOST, _VISIT, _BAKING, (_NIGHT,), (_BIRTHDAY,), (_SEED,))
