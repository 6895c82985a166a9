from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.query import Floats, Queries, ask_all
from dataset.vocabulary import OOV
from scoring.pooled import Pooled
from scoring.tables import Table
from serving import servable
from serving.runtime import Runtime
from serving.servable import Servable

ITEMS, WIDTH = 40, 4


@pytest.fixture(scope="module")
def whole(tiny_servable: Path) -> Servable:
    """Another form and catalogue in the place of the tiny one's; the runtime reads nothing else."""
    rng = np.random.default_rng(1)
    # Few levels, so that there are ties.
    vectors = rng.integers(-2, 3, (ITEMS, WIDTH)).astype(np.float32)
    catalogue = np.arange(ITEMS) > OOV
    catalogue[[7, 30]] = False
    form = Pooled(Table(vectors), None, np.zeros(ITEMS, np.float32), 2.0, 10)
    return replace(servable.read(tiny_servable), form=form, catalogue=catalogue)


def asked(histories: list[list[int]]) -> Queries:
    return ask_all([(np.array(items, np.int32), np.arange(len(items)), 100) for items in histories])


def by_hand(scores: Floats, catalogue: Any, history: list[int], mask: Any, k: int) -> list[int]:
    left = [item for item in np.flatnonzero(catalogue).tolist() if item not in history and (mask is None or mask[item])]
    return sorted(left, key=lambda item: (-scores[item], item))[:k]


@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_the_lists_are_those_of_sorting_everything(whole: Servable, data: st.DataObject) -> None:
    history = st.lists(st.integers(OOV + 1, ITEMS - 1), min_size=1, max_size=45)
    histories = data.draw(st.lists(history, min_size=1, max_size=5))
    flags = st.lists(st.booleans(), min_size=ITEMS, max_size=ITEMS).map(np.array)
    masks = data.draw(st.lists(st.none() | flags, min_size=len(histories), max_size=len(histories)))
    k, queries = data.draw(st.integers(1, 50)), asked(histories)
    found, scores = Runtime(whole).recommend(queries, k, masks), whole.form.scores(queries)
    assert not found.broken.any()
    for row, history_ in enumerate(histories):
        items = by_hand(scores[row], whole.catalogue, history_, masks[row], k)
        assert found.items[row].tolist() == items + [-1] * (k - len(items))
        assert found.scores[row].tolist() == [*scores[row, items].tolist(), *[-np.inf] * (k - len(items))]


def test_a_number_that_is_none_breaks_the_rows_that_could_list_it(whole: Servable) -> None:
    assert isinstance(whole.form, Pooled)
    bias = np.zeros(ITEMS, np.float32)
    bias[[5, 30]] = np.nan  # 30 is not in the catalogue
    broken = replace(whole, form=replace(whole.form, bias=bias))
    masks = [None, None, np.arange(ITEMS) != 5, None]
    found = Runtime(broken).recommend(asked([[3], [5, 3], [3], [3, 4]]), 3, masks)
    assert found.broken.tolist() == [True, False, False, True]
    assert (found.items[[0, 3]] == -1).all()
    assert (found.items[[1, 2]] > OOV).all()
