import random
from dataclasses import replace

import pytest

from promotion import ledger
from promotion.ledger import Event, Head, LedgerError


def written(count: int) -> list[Event]:
    events: list[Event] = []
    for number in range(1, count + 1):
        draft = {"kind": "promote", "alias": "champion", "digest": f"{number:064x}", "decision": '{"gain":0.5}'}
        draft |= {"actor": "gate", "reason": f"better {number}"}
        events.append(ledger.follow(events, draft, f"2030-01-01T00:00:{number:02}+00:00"))
    return events


def head(events: list[Event], generation: int) -> Head:
    return Head(generation, events[generation - 1].hash) if generation else Head()


def test_hash_is_sha256_of_previous_hash_and_canonical_json() -> None:
    # printf '%064d\n{"a":[1,2.5],"b":"\\u00e9"}' 0 | sha256sum
    expected = "309bfc2f48c4bdc170b8f19113e20d88108907c67816d0d7ee9aadd8954778c2"
    assert ledger.chain(ledger.GENESIS, {"b": "é", "a": [1, 2.5]}) == expected
    assert ledger.chain(expected, {"b": "é", "a": [1, 2.5]}) != expected


def test_canonical_json_refuses_what_has_no_json_form() -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        ledger.canonical({"gain": float("nan")})
    with pytest.raises(TypeError):
        ledger.canonical({"gain": object()})


def test_whole_history_passes() -> None:
    ledger.check([])
    events = written(5)
    ledger.check(events)
    ledger.check_head(events, head(events, 5), head(events, 5))
    assert [event.previous for event in events[:3]] == ["", f"{1:064x}", f"{2:064x}"]


@pytest.mark.parametrize("generation", range(1, 6))
@pytest.mark.parametrize(
    "change",
    [
        {"time": "2031-01-01T00:00:00+00:00"},
        {"kind": "rollback"},
        {"alias": "challenger"},
        {"digest": "f" * 64},
        {"previous": "f" * 64},
        {"decision": '{"gain":0.6}'},
        {"decision": '{"gain": 0.5}'},
        {"actor": "somebody"},
        {"reason": ""},
        {"hash": "f" * 64},
    ],
)
def test_every_edited_field_is_named(generation: int, change: dict[str, str]) -> None:
    events = written(5)
    events[generation - 1] = replace(events[generation - 1], **change)  # type: ignore[arg-type]
    with pytest.raises(LedgerError, match=rf"^generation {generation}: changed"):
        ledger.check(events)


def test_edit_with_its_own_new_hash_breaks_the_next_one() -> None:
    events = written(5)
    forged = replace(events[2], reason="forged")
    events[2] = replace(forged, hash=ledger.chain(events[1].hash, forged.fields()))
    with pytest.raises(LedgerError, match=r"^generation 4: changed"):
        ledger.check(events)


@pytest.mark.parametrize("generation", range(1, 5))
def test_dropped_event_is_named(generation: int) -> None:
    events = written(5)
    del events[generation - 1]
    with pytest.raises(LedgerError, match=rf"^generation {generation}: missing"):
        ledger.check(events)
    renumbered = [replace(event, generation=number) for number, event in enumerate(events, start=1)]
    with pytest.raises(LedgerError, match=rf"^generation {generation}: changed"):
        ledger.check(renumbered)


def test_reordered_repeated_and_inserted_events_are_named() -> None:
    rng = random.Random(7)
    for _ in range(50):
        events = written(6)
        first, second = sorted(rng.sample(range(6), 2))
        events[first], events[second] = events[second], events[first]
        with pytest.raises(LedgerError, match=rf"^generation {first + 1}: missing or out of order"):
            ledger.check(events)
    events = written(3)
    with pytest.raises(LedgerError, match=r"^generation 3: missing or out of order. Received: 2"):
        ledger.check([*events[:2], events[1], events[2]])


@pytest.mark.parametrize(
    ("stored", "before", "after"),
    [(5, 5, 5), (5, 4, 4), (5, 3, 5), (5, 5, 8), (1, 0, 0), (0, 0, 0), (0, 0, 3)],
)
def test_head_may_be_one_behind_and_move_between_the_reads(stored: int, before: int, after: int) -> None:
    events = written(8)
    ledger.check_head(events[:stored], head(events, before), head(events, after))


@pytest.mark.parametrize("kept", range(5))
def test_cut_end_is_named(kept: int) -> None:
    events = written(5)
    ledger.check(events[:kept])
    with pytest.raises(LedgerError, match=rf"^generation {kept + 1}: missing"):
        ledger.check_head(events[:kept], head(events, 5), head(events, 5))


def test_events_past_the_head_are_named() -> None:
    events = written(5)
    with pytest.raises(LedgerError, match=r"^generation 4: written past the head"):
        ledger.check_head(events, head(events, 3), head(events, 3))
    with pytest.raises(LedgerError, match=r"^generation 1: written past the head"):
        ledger.check_head(events, Head(), Head())


def test_other_history_of_the_same_length_is_named() -> None:
    events = written(5)
    with pytest.raises(LedgerError, match=r"^generation 5: its hash isn't the head's"):
        ledger.check_head(events, Head(5, "f" * 64), Head(5, "f" * 64))
    with pytest.raises(LedgerError, match=r"^generation 0: its hash"):
        ledger.check_head([], Head(0, "f" * 64), Head(0, "f" * 64))


def test_succession_is_a_stack_that_rollback_pops() -> None:
    def events(*moves: str) -> list[Event]:
        history: list[Event] = []
        for move in moves:
            kind, alias = ("rollback", "champion") if move == "<" else ("promote", "champion")
            kind, alias = ("record", "") if move == "." else (kind, alias)
            kind, alias = ("promote", "challenger") if move == "+" else (kind, alias)
            digest = ledger.succession(history)[-2] if move == "<" else move
            draft = {"kind": kind, "alias": alias, "digest": digest, "decision": "{}", "actor": "a", "reason": "b"}
            history.append(ledger.follow(history, draft, "now"))
        return history

    assert ledger.succession([]) == []
    assert ledger.succession(events("A", "B", ".", "+", "C")) == ["A", "B", "C"]
    assert ledger.succession(events("A", "B", "C", "<")) == ["A", "B"]
    assert ledger.succession(events("A", "B", "C", "<", "<")) == ["A"]
    assert ledger.succession(events("A", "B", "<", "C", "<")) == ["A"]
    assert ledger.succession(events("A", "B", "B", "<")) == ["A"]
    assert ledger.succession(events("A", "B", "A", "<")) == ["A", "B"]
    assert ledger.holder(events("A", "B", "<"), "champion") == "A"
    assert ledger.holder(events("A", "+", "."), "challenger") == "+"
    assert ledger.holder(events("."), "champion") == ""
