"""The words of standards: each has a state, and the same in every spelling."""

from __future__ import annotations

from cic_assets.kinds.vocabulary import STANDARDS, STATES, Vocabulary


def test_every_standard_maps_its_words_to_the_nine_states():
    for standard, words in STANDARDS.items():
        assert set(words.values()) <= set(STATES), standard
        assert len(Vocabulary(standard=standard).states) == len(words)
    for version in ("2.1.1", "2.2.1", "2.3.0"):
        assert Vocabulary.model_validate({"standard": f"OCPI {version}"}).states == {state: state for state in STATES}


def test_occupied_is_in_use_and_what_says_nothing_of_the_state_is_unmapped():
    oicp, datex = (Vocabulary.model_validate({"standard": name}).states for name in ("OICP 2.3", "DATEX II"))
    assert [oicp[word] for word in ("OCCUPIED", "OUTOFSERVICE", "EVSENOTFOUND")] == [
        "CHARGING",
        "OUTOFORDER",
        "UNKNOWN",
    ]
    assert [datex[word] for word in ("OCCUPIED", "OUTOFORDER", "UNAVAILABLE")] == [
        "CHARGING",
        "OUTOFORDER",
        "INOPERATIVE",
    ]
    assert "_EXTENDED" not in datex
    own = Vocabulary.model_validate({"standard": "DATEX II", "words": {"_extended": "BLOCKED"}})
    assert own.states["_EXTENDED"] == "BLOCKED"
