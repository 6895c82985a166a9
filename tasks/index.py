"""index: the items with the highest scores without looking at all of them, for a model that scores by inner products.

Only a form that has item vectors (`scoring.tower`, `scoring.tied`), and a catalogue with more than `index.exact_up_to`
items, gets an index. Sparse and other forms score all items, as do blends and second stages, which need the scores of
the whole catalogue to standardize or to keep; `blend` and `rank` have no index for that reason.
"""

from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

import digest
import durable
import params
from dataset.query import Longs, Queries
from dataset.world import World
from highest import LOWEST, highest
from models.variants import Variants
from scoring import folder as form_folder
from scoring.index_folder import RECORD, Record
from scoring.nearest import FILES, ROWS, Nearest, Settings
from scoring.tied import Tied
from scoring.tower import Tower

K: Final = 10
"""Items that recall is measured at."""


class RecallError(ValueError):
    """An index finds too little of what an exact search finds; the message has the figure and what to raise."""


def index(*, features: Path, variants: Path, index: Path, settings: params.Index, seed: int, name: str) -> Record:
    """Writes index.json into `index` and, where the catalogue is large, the index beside it.

    Args:
        features: of the data.
        variants: the model's variants folder, see `models.variants`.
        index: where to.
        settings: from which size on, how, and how good.
        seed: of the lists.
        name: of the model.

    Raises:
        RecallError: the index finds less than `settings.min_recall` of the exact ten best.
    """
    world, chosen = World.read(features), Variants.read(variants).chosen
    folder, catalogue = variants / "final" / chosen, world.final.catalogue
    form = form_folder.read(folder)[1]
    of = digest.of_folder(folder)
    said = Record(model=name, variant=chosen, digest=of, exact=True, why="", items=len(catalogue))
    number = int(catalogue.sum())
    if not isinstance(form, Tower | Tied):
        said = msgspec.structs.replace(said, why=f"the form is {form.KIND}, which has no item vectors")
    elif number <= settings.exact_up_to:
        why, d = f"{number} items, at most index.exact_up_to = {settings.exact_up_to}", form.item_vectors.shape[1]
        said = msgspec.structs.replace(said, why=why, dimensions=d)
    else:
        said = _approximate(said, form, catalogue, world.validation, index, settings, seed)
    durable.write_json(index / RECORD, said)
    return said


def recall(form: Tower | Tied, nearest: Nearest, queries: Queries, catalogue: npt.NDArray[np.bool_]) -> float:
    """Mean share of the exact ten best of the catalogue that are among the index's ten, 0..1.

    Args:
        form: whose vectors, and exact scores, are asked.
        nearest: the index over the same items.
        queries: n of them, at least one.
        catalogue: [items] what may be recommended.
    """
    shares = []
    for start in range(0, len(queries), ROWS):
        vectors = form.query_vectors(queries[start : start + ROWS])
        scores = np.where(catalogue, vectors @ form.item_vectors.T, np.float32(LOWEST))
        exact, _ = highest(scores, K, np.arange(len(catalogue)))
        found, _ = nearest.search(vectors, K, catalogue)
        shares += _shares(found, exact)
    return float(np.mean(shares))


def _shares(found: Longs, exact: Longs) -> list[float]:
    """Of each row of `exact`, how much is in `found`; all rows are full, for an index has more than ten items."""
    return [len(np.intersect1d(ours, theirs)) / K for ours, theirs in zip(found, exact, strict=True)]


def _approximate(
    said: Record,
    form: Tower | Tied,
    catalogue: npt.NDArray[np.bool_],
    queries: Queries,
    folder: Path,
    settings: params.Index,
    seed: int,
) -> Record:
    made = {name: getattr(settings, name) for name in Settings.__struct_fields__}
    nearest = Nearest.build(form.item_vectors, Settings(**made), seed=seed)
    asked = queries[np.unique(np.linspace(0, len(queries) - 1, settings.max_queries).astype(np.int64))]
    reached = recall(form, nearest, asked, catalogue)
    if reached < settings.min_recall:
        raise RecallError(
            f"model {said.model!r}: recall at {K} of its index must be at least index.min_recall = "
            f"{settings.min_recall:g} on {len(asked)} validation queries; raise index.probes (now "
            f"{settings.probes}) or index.candidates (now {settings.candidates}). Received: {reached:.4f}"
        )
    nearest.write(folder)
    return msgspec.structs.replace(
        said,
        exact=False,
        why=f"{int(catalogue.sum())} items, more than index.exact_up_to = {settings.exact_up_to}",
        dimensions=form.item_vectors.shape[1],
        recall_at_10=reached,
        bytes=sum((folder / name).stat().st_size for name in FILES),
        settings=nearest.settings,
    )
