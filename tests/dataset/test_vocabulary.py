from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dataset.encoding import encode, known_items
from dataset.schema import ITEM, TIMESTAMP, USER
from dataset.vocabulary import OOV, PADDING, RESERVED, Vocabulary, VocabularyError


def test_real_entries_start_after_the_reserved_two() -> None:
    found = Vocabulary.of(["b", "a"])
    assert found.ids == (*RESERVED, "b", "a")
    assert len(found) == 4
    indices = found.index(["a", "b", "z", "a"])
    assert indices.dtype == np.int32
    assert indices.tolist() == [3, 2, OOV, 3]
    assert found.index(list(RESERVED)).tolist() == [PADDING, OOV]
    assert "a" in found
    assert "z" not in found


def test_nothing_known_leaves_the_reserved_two() -> None:
    found = Vocabulary.of([])
    assert len(found) == 2
    assert found.index(["a"]).tolist() == [OOV]
    assert found.index([]).tolist() == []


@pytest.mark.parametrize(
    ("ids", "name"), [(["a", "b", "a"], "a"), (["<oov>"], "<oov>"), (["x", "<padding>"], "<padding>")]
)
def test_repeated_and_reserved_ids_are_refused(ids: list[str], name: str) -> None:
    with pytest.raises(VocabularyError, match=f"distinct and not reserved. Received twice: '{name}'"):
        Vocabulary.of(ids)


def test_a_file_holds_the_same_vocabulary(tmp_path: Path) -> None:
    written = Vocabulary.of(["käufer 1", '"', "7", "07", "\u2028"])
    written.write(tmp_path / "ids.json")
    assert Vocabulary.read(tmp_path / "ids.json") == written


@pytest.mark.parametrize("text", ["[]", '["<oov>","<padding>"]', '["<padding>"]', '["a","b","c"]'])
def test_a_file_without_the_reserved_two_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "ids.json").write_text(text)
    with pytest.raises(VocabularyError, match=r"ids\.json: a vocabulary starts with"):
        Vocabulary.read(tmp_path / "ids.json")


@pytest.mark.parametrize("text", ["", "{}", "[1,2]", '["<padding>","<oov>"'])
def test_a_file_that_is_no_list_of_texts_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "ids.json").write_text(text)
    with pytest.raises(VocabularyError, match=r"ids\.json: not a vocabulary"):
        Vocabulary.read(tmp_path / "ids.json")


def test_known_items_are_the_frequent_ones_most_frequent_first_then_by_name() -> None:
    identity = np.array([0, 1, 1, 2, 2, 3, 3, 3])
    names = ["rare", "z", "a", "top", "never"]
    assert known_items(names, identity, 2) == ["top", "a", "z"]
    assert known_items(names, identity, 1) == ["top", "a", "z", "rare"]
    assert known_items(names, identity, 0) == ["top", "a", "z", "rare"]


def test_encoding_keeps_only_what_was_taken_before_the_freeze() -> None:
    table = pa_table(
        [("v", "late", 5), ("u", "p", 6), ("u", "q", 7), ("v", "q", 8), ("w", "late", 9), ("u", "new", 9)],
    )
    found = encode(table, fit=np.array(table[TIMESTAMP]) < 9, min_item_count=1)
    assert found.users == ["v", "u", "w"]
    assert found.names == ["late", "p", "q", "new"]
    assert found.items.ids == (*RESERVED, "q", "late", "p")
    assert found.log.user.tolist() == [0, 1, 1, 0, 2, 1]
    assert found.log.item.tolist() == [3, 4, 2, 2, 3, OOV]
    assert found.log.identity.tolist() == [0, 1, 2, 2, 0, 3]
    assert found.log.time.tolist() == [5, 6, 7, 8, 9, 9]


def test_rarer_items_are_out_of_vocabulary_but_told_apart() -> None:
    table = pa_table([("u", "p", 1), ("u", "q", 2), ("v", "q", 3), ("u", "r", 4)])
    found = encode(table, fit=np.array(table[TIMESTAMP]) < 10, min_item_count=2)
    assert found.items.ids == (*RESERVED, "q")
    assert found.log.item.tolist() == [OOV, 2, 2, OOV]
    assert found.log.identity.tolist() == [0, 1, 1, 2]


def pa_table(rows: list[tuple[str, str, int]]) -> Any:
    users, items, times = zip(*rows, strict=True)
    return pa.table({USER: list(users), ITEM: list(items), TIMESTAMP: list(times)})
