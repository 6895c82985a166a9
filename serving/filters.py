"""Which items a request's filter leaves: by category, by a list to allow, by a list to deny.

A filter is a mask over the items, applied before the list is cut, so that it never makes a list shorter than it has to
be.
"""

from http import HTTPStatus

import numpy as np
import numpy.typing as npt

from dataset.query import Ints
from dataset.vocabulary import OOV, Vocabulary
from serving.messages import Filter, RequestError
from serving.servable import Servable

Mask = npt.NDArray[np.bool_]


class Filters:
    """The items of a servable, by category."""

    def __init__(self, servable: Servable) -> None:
        self._vocabulary: Vocabulary = servable.vocabulary
        self._items: dict[str, Ints] = _by_category(servable.categories, servable.item_categories)

    def mask(self, given: Filter | None) -> Mask | None:
        """[items] what may be listed; None when that is everything. Ids that are not known stand for no item.

        Raises:
            RequestError: 422, no item has such a category.
        """
        if given is None or (given.categories is None and given.allow is None and not given.deny):
            return None
        mask = np.ones(len(self._vocabulary), np.bool_)
        if given.categories is not None:
            mask &= self._of(given.categories)
        if given.allow is not None:
            mask &= self._only(self._vocabulary.known(given.allow))
        mask[self._vocabulary.known(given.deny or ())] = False
        return mask

    def _of(self, categories: tuple[str, ...]) -> Mask:
        unknown = [name for name in categories if name not in self._items]
        if unknown:
            known = ", ".join(sorted(self._items)[:50]) or "none"
            message = f"filter.categories: no item has {unknown[0]!r}; there are: {known}"
            raise RequestError(HTTPStatus.UNPROCESSABLE_ENTITY, message)
        return self._only(np.concatenate([np.zeros(0, np.int32), *(self._items[name] for name in categories)]))

    def _only(self, items: Ints | list[int]) -> Mask:
        mask = np.zeros(len(self._vocabulary), np.bool_)
        mask[items] = True
        return mask


def _by_category(names: Vocabulary, item_categories: Ints) -> dict[str, Ints]:
    """Name -> items that have it; names that no item has are left out."""
    item, place = np.nonzero(item_categories > OOV)
    category = item_categories[item, place]
    order = np.argsort(category, kind="stable")
    found, starts = np.unique(category[order], return_index=True)
    items, bounds = item[order].astype(np.int32), [*starts.tolist(), len(order)]
    return {names.ids[index]: items[bounds[place] : bounds[place + 1]] for place, index in enumerate(found)}
