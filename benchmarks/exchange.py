"""What a peer is given and gives back, as a folder of plain files: it runs in an environment that is not ours.

Given:
    known.parquet    user int32, item int32, time int64: all that may be learned from, in time order
    queries.parquet  query int32, user int32, time int64, history list<int32> and times list<int64>, oldest first
    catalogue.npy    bool [num_items]: what may be listed
    meta.json        num_items, num_users, protocol, length of the lists
    targets.npy      int32 [n], for validation alone: what early stopping may look at. Never written for the test
Given back:
    lists.npy        int32 [n, length], best first, filled up with -1; no item that the user has had already
    fit.json         `Fit`

Each query stands for itself: what a later query of the same user shows in its history is no answer to an earlier one
for a model that is frozen. Where a target stands is read off the lists, here.
"""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

import digest
import durable
from dataset.query import Ints, Longs, Queries, Timelines
from dataset.world import Fold

Protocol = Literal["temporal", "leave-one-out"]
Catalogue = npt.NDArray[np.bool_]


class ExchangeError(ValueError):
    """What a peer gave back cannot be examined; the message names the file, the query and the rule."""


class LeakError(ValueError):
    """A peer would be shown what it is to foretell."""


class Fit(msgspec.Struct, frozen=True, kw_only=True):
    """What a peer's run took."""

    fit_seconds: float
    score_seconds: float
    """For all queries, from the histories in memory to the lists."""
    peak_bytes: int
    """Most resident memory of the peer's process, its libraries included."""
    model_bytes: int
    """Of the arrays that have to be kept to answer."""
    examples_per_second: float
    """Interactions learned from, times epochs, over the seconds of training."""
    epochs: int
    """Those behind the lists: the best ones where it stopped early."""
    versions: dict[str, str]
    settings: dict[str, int | float | str | bool | None]


@dataclass(frozen=True)
class Lists:
    """What one peer answered to n queries, after one fit."""

    lists: Ints
    """[n, length] item indices, best first, -1 where a list is shorter."""
    fit: Fit

    def rank(self, target: Ints) -> Longs:
        """[n] place of each target from 1; 0 where it is not in the list, whether it could have been or not."""
        hit = (self.lists == target[:, None]) & (target[:, None] >= 0)
        return np.where(hit.any(axis=1), hit.argmax(axis=1) + 1, 0).astype(np.int64)


def write(
    folder: Path,
    known: Timelines,
    queries: Queries,
    catalogue: Catalogue,
    length: int,
    *,
    protocol: Protocol,
    reveal: bool = False,
) -> None:
    """Writes what a peer is given into a folder that is empty or not there; the bytes depend on the arguments alone.

    Args:
        folder: where to.
        known: what may be learned from; of each user the beginning of the timeline that the queries point into.
        queries: n queries; their targets stay here unless `reveal`.
        catalogue: [num_items] what may be listed.
        length: of the lists.
        protocol: temporal, everything known is before every query; leave-one-out, of each user's own only.
        reveal: whether the targets are for early stopping; True for validation alone.

    Raises:
        LeakError: something known or in a history is not from before the query.
        ExchangeError: the folder holds files.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ExchangeError(f"{folder}: must be empty, or old targets could stay in it. Received: a folder with files")
    refuse_leaks(known, queries, protocol)
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(_known(known), folder / "known.parquet")
    pq.write_table(_queries(queries), folder / "queries.parquet")
    np.save(folder / "catalogue.npy", catalogue)
    if reveal:
        np.save(folder / "targets.npy", queries.target)
    shape = {"num_items": len(catalogue), "num_users": len(known.starts) - 1, "length": length}
    durable.write_json(folder / "meta.json", shape | {"protocol": protocol})


def refuse_leaks(known: Timelines, queries: Queries, protocol: Protocol) -> None:
    """Checks that nothing known and nothing in a history is of a query's moment or later.

    In leave-one-out "later" goes by the place in the user's own timeline; other users' moments do not count.

    Raises:
        LeakError: something is; the message names the user.
    """
    count, first = np.diff(known.starts), known.starts[:-1]
    beyond = np.flatnonzero(count[queries.user] > queries.end)
    if len(beyond):
        user, end = queries.user[beyond[0]], queries.end[beyond[0]]
        raise LeakError(f"known must end before each query. Received: {count[user]} of user {user}, query after {end}")
    for user in np.unique(queries.user):
        mine, start = slice(first[user], first[user] + count[user]), queries.timelines.starts[user]
        if not np.array_equal(known.items[mine], queries.timelines.items[start : start + count[user]]):
            raise LeakError(f"known must be the beginning of each timeline. Received: another one for user {user}")
    if protocol == "temporal":
        _refuse_moments(known, queries)


def _refuse_moments(known: Timelines, queries: Queries) -> None:
    if len(queries) and known.times.max(initial=-1) >= queries.time.min():
        raise LeakError(
            f"known must end before the first query's moment, {queries.time.min()}. Received: {known.times.max()}"
        )
    row, position = _positions(queries)
    late = np.flatnonzero(queries.timelines.times[position] >= queries.time[row])
    if len(late):
        user = queries.user[row[late[0]]]
        raise LeakError(f"histories must end before the query's moment. Received: user {user}, item at or after it")


def kept(cache: Path, fold: Fold, length: int, *, reveal: bool) -> Path:
    """A fold of the temporal protocol as a folder below `cache`, named by its digest; see `write`."""
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        made = Path(scratch) / "given"
        write(made, fold.known, fold.ask, fold.catalogue, length, protocol="temporal", reveal=reveal)
        place = cache / digest.of_folder(made)[:32]
        if not place.exists():
            shutil.move(made, place)
    return place


def read(folder: Path, queries: Queries, catalogue: Catalogue, length: int) -> Lists:
    """Reads and checks what a peer gave back.

    Raises:
        ExchangeError: a file is missing or is not what it must be, or a list holds what it must not.
    """
    try:
        lists = np.load(folder / "lists.npy", allow_pickle=False)
        fit = msgspec.json.decode((folder / "fit.json").read_bytes(), type=Fit)
    except (OSError, ValueError) as error:
        raise ExchangeError(f"{folder}: must hold lists.npy and fit.json as described. Received: {error}") from error
    verify(lists, queries, catalogue, length)
    return Lists(lists, fit)


def verify(lists: npt.NDArray[np.generic], queries: Queries, catalogue: Catalogue, length: int) -> None:
    """Checks lists: shape, no item twice, nothing outside the catalogue, nothing that the user has had already.

    Raises:
        ExchangeError: which rule is broken, by what, in which query.
    """
    wanted = (len(queries), length)
    if lists.shape != wanted or lists.dtype != np.int32:
        raise ExchangeError(f"lists.npy: must be int32 {wanted}. Received: {lists.dtype} {lists.shape}")
    width = len(catalogue)
    present = lists.astype(np.int64) >= 0
    items = np.where(present, lists.astype(np.int64), 0)
    _refuse(lists, (lists.astype(np.int64) < -1) | (items >= width), f"items must be -1 to {width - 1}")
    _refuse(lists, present & ~np.minimum.accumulate(present, axis=1), "-1 stands at the end of a list alone")
    _refuse(lists, present & ~catalogue[items], "items must be of the catalogue")
    keys = np.arange(len(lists))[:, None] * width + items
    row, item = queries.seen()
    _refuse(lists, present & np.isin(keys, row * width + item), "items must be new to the user")
    order = np.argsort(np.where(present, items, width + np.arange(length)), axis=1, kind="stable")
    sorted_items = np.take_along_axis(np.where(present, items, -1), order, axis=1)
    again = np.zeros(lists.shape, np.bool_)
    repeated = (sorted_items[:, 1:] == sorted_items[:, :-1]) & (sorted_items[:, 1:] >= 0)
    np.put_along_axis(again, order[:, 1:], repeated, axis=1)
    _refuse(lists, again, "an item stands in a list once")


def _refuse(lists: npt.NDArray[np.generic], broken: npt.NDArray[np.bool_], rule: str) -> None:
    if broken.any():
        row, place = np.argwhere(broken)[0]
        raise ExchangeError(
            f"lists.npy: {rule}. Received: item {lists[row, place]} at place {place + 1} of query {row}, "
            f"{int(broken.any(axis=1).sum())} of {len(lists)} lists in all"
        )


def _positions(queries: Queries) -> tuple[Longs, Longs]:
    """(row, position in the timelines) of each interaction before each query, oldest first."""
    row = np.repeat(np.arange(len(queries)), queries.end)
    offset = np.arange(len(row)) - np.repeat(np.cumsum(queries.end) - queries.end, queries.end)
    return row, queries.timelines.starts[queries.user][row] + offset


def _known(known: Timelines) -> pa.Table:
    user = np.repeat(np.arange(len(known.starts) - 1, dtype=np.int32), np.diff(known.starts))
    # Stable, so that a user's interactions of the same second keep their order.
    order = np.argsort(known.times, kind="stable")
    return pa.table({"user": user[order], "item": known.items[order], "time": known.times[order]})


def _queries(queries: Queries) -> pa.Table:
    _, position = _positions(queries)
    bounds = pa.array(np.concatenate([[0], np.cumsum(queries.end)]).astype(np.int32))
    items, times = queries.timelines.items[position], queries.timelines.times[position]
    return pa.table(
        {
            "query": np.arange(len(queries), dtype=np.int32),
            "user": queries.user,
            "time": queries.time,
            "history": pa.ListArray.from_arrays(bounds, pa.array(items)),
            "times": pa.ListArray.from_arrays(bounds, pa.array(times)),
        }
    )
