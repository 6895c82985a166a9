from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from dataset.item_content import ItemContent, Recipe, of_items
from dataset.treatments import Treatment
from dataset.vocabulary import OOV, PADDING, Vocabulary

TABLE = pa.table(
    {
        "item_id": ["a", "b", "c", "d"],
        "title": ["Alpha", "Beta", "Gamma", "Delta"],
        "categories": [["x"], ["x", "y"], [], ["y"]],
        "year": pa.array([2000, None, 2010, 1990], pa.int32()),
        "text": ["red car", "red bus", "blue boat", "blue ship"],
        "price": [1.0, 3.0, float("nan"), 5.0],
    }
)
ITEMS = Vocabulary.of(["d", "b", "a"])  # c is out of vocabulary
FITTED = np.ones(5, np.bool_)
RECIPE = Recipe(
    treatment=Treatment(missing="drop", constant=0.0, neighbours=1, normalization="none"),
    text="none",
    text_columns=["text"],
    text_components=2,
    components=0,
)


def made(recipe: Recipe = RECIPE, table: pa.Table = TABLE, items: Vocabulary = ITEMS) -> ItemContent:
    return of_items(table, items, np.ones(len(items), np.bool_), recipe)


def test_features_stand_at_their_items_index() -> None:
    found = made()
    assert found.titles == ["", "", "Delta", "Beta", "Alpha"]
    # Equally frequent among the known items: by name.
    assert found.vocabulary.ids[2:] == ("x", "y")
    assert found.categories.tolist() == [[0, 0], [0, 0], [3, 0], [2, 3], [2, 0]]
    assert found.year.tolist() == pytest.approx([0, 0, 0.9, 0, 1.0])
    assert found.dense.tolist() == [[0, 0], [0, 0], [5, 0], [3, 0], [1, 0]]
    assert found.dense.dtype == found.year.dtype == np.float32


def test_a_table_without_numbers_and_texts_has_no_dense_features() -> None:
    plain = TABLE.drop_columns(["price"])
    assert made(table=plain).dense.shape == (5, 0)
    tfidf = replace(RECIPE, text="tfidf-svd")
    assert made(tfidf, plain.set_column(4, "text", pa.array([""] * 4))).dense.shape == (5, 0)
    assert made(replace(tfidf, text_columns=[]), plain).dense.shape == (5, 0)


def test_a_year_is_filled_like_any_number() -> None:
    median = Treatment(missing="median", constant=0.0, neighbours=1, normalization="none")
    found = made(replace(RECIPE, treatment=median))
    assert found.year.tolist() == pytest.approx([0, 0, 0.9, 0.95, 1.0])
    # By the nearest item: b costs 3, as far from d as from a, but has a category of each; its price decides.
    near = Treatment(missing="model", constant=0.0, neighbours=1, normalization="none")
    cheap = TABLE.set_column(5, "price", pa.array([1.0, 1.5, 0.0, 5.0]))
    assert made(replace(RECIPE, treatment=near), cheap).year[3] == pytest.approx(1.0)
    dear = TABLE.set_column(5, "price", pa.array([1.0, 4.5, 0.0, 5.0]))
    assert made(replace(RECIPE, treatment=near), dear).year[3] == pytest.approx(0.9)


def test_texts_stand_behind_the_numbers_and_are_put_together_from_columns() -> None:
    whole = Vocabulary.of(["a", "b", "c", "d"])
    tfidf = replace(RECIPE, text="tfidf-svd")
    found = made(tfidf, items=whole).dense
    assert found.shape == (6, 4)
    assert found[:, :2].tolist() == [[0, 0], [0, 0], [1, 0], [3, 0], [0, 1], [5, 0]]
    red, bus, boat, ship = found[2:, 2:]
    assert red @ bus > 0.9
    assert boat @ ship > 0.9
    assert abs(red @ boat) < 0.1
    assert not found[[PADDING, OOV]].any()
    # What all titles say brings together what the texts alone keep apart.
    same = TABLE.set_column(1, "title", pa.array(["The long tale of the sea"] * 4))
    titled = made(replace(tfidf, text_columns=["title", "categories", "text"]), same, whole).dense
    assert titled.shape == (6, 4)
    assert titled[2, 2:] @ titled[4, 2:] > 0.4


def test_all_of_it_is_reduced_together() -> None:
    whole = Vocabulary.of(["a", "b", "c", "d"])
    found = made(replace(RECIPE, text="tfidf-svd", components=2), items=whole).dense
    assert found.shape == (6, 2)
    assert not found[[PADDING, OOV]].any()


def test_only_fitted_items_are_learned_from() -> None:
    standard = replace(RECIPE, treatment=replace(RECIPE.treatment, normalization="standard"))
    fitted = np.array([False, False, False, True, True])
    found = of_items(TABLE, ITEMS, fitted, standard)
    # b and a cost 3 and 1: mean 2, deviation 1, so d with 5 lies three deviations away.
    assert found.dense[2:, 0].tolist() == [3, 1, -1]
