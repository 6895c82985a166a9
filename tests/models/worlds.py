"""Toy logs with a known answer, and what is trained and asked from them.

`cycle`: 30 items in a secret circle; whoever took an item takes the next one of the circle the day after. The last item
tells the next one, popularity tells nothing. What comes after the freeze is of another kind (everyone takes the same
few items), so that a model that had seen it would give other scores.

`checkerboard`: user u takes item i when u + i is even, in random order; the last taking of each user is after the
freeze.
"""

from dataclasses import dataclass

import numpy as np

from dataset.features import ItemFeatures, categories, counts, first_seen, popularity, year
from dataset.query import DAY_SECONDS, Queries, Timelines
from dataset.timelines import Log, ends, queries, timelines
from dataset.vocabulary import RESERVED, Vocabulary

START = 19_000 * DAY_SECONDS
"""Midnight of the first day."""
ITEMS = 30
NUM_ITEMS = ITEMS + len(RESERVED)
CATALOGUE = np.arange(NUM_ITEMS) >= len(RESERVED)


@dataclass(frozen=True)
class Toy:
    """A log, its freeze, and one query for each user at the freeze."""

    log: Log
    num_users: int
    freeze: int

    @property
    def timelines(self) -> Timelines:
        return timelines(self.log, self.num_users)

    @property
    def train(self) -> Queries:
        found = queries(self.log, self.timelines)
        return found[found.time < self.freeze]

    @property
    def test(self) -> Queries:
        """What each user takes first at or after the freeze, asked at the freeze; user u in row u."""
        lines, user = self.timelines, np.arange(self.num_users, dtype=np.int32)
        moment = np.full(self.num_users, self.freeze, np.int64)
        end = ends(lines, user, moment)
        return Queries(lines, user, end, moment, lines.items[lines.starts[:-1] + end])

    @property
    def features(self) -> ItemFeatures:
        shares = popularity(self.log, NUM_ITEMS, windows_days=[3, 36_500], snapshot_days=1)
        names = [[], [], *([f"colour {item % 2}"] for item in range(ITEMS))]
        return ItemFeatures(
            categories=categories(names, Vocabulary.of(["colour 0", "colour 1"])),
            year=year(np.full(NUM_ITEMS, np.nan)),
            popularity=shares.values,
            snapshot_times=shares.snapshot_times,
            count_train=counts(self.log, NUM_ITEMS),
            count_fit=counts(self.log, NUM_ITEMS),
            first_seen=first_seen(self.log, NUM_ITEMS),
            dense=np.zeros((NUM_ITEMS, 0), np.float32),
        )

    def without_future(self) -> "Toy":
        """The same world as it was known just before the freeze; it has no targets any more."""
        return Toy(self.log.before(self.freeze), self.num_users, self.freeze)


def cycle(*, num_users: int = 150) -> Toy:
    """9 days along the circle before the freeze, the last of which is the freeze's own, and 3 days after it."""
    generator = np.random.default_rng(8)
    circle = generator.permutation(ITEMS)
    place = generator.integers(ITEMS, size=num_users)
    taken = circle[(place[:, None] + np.arange(12)) % ITEMS]
    taken[:, 10:] = generator.integers(3, size=(num_users, 2))
    return Toy(_log(taken), num_users, START + 8 * DAY_SECONDS + DAY_SECONDS // 2)


def checkerboard(*, num_users: int = 40) -> Toy:
    """Each user takes the 15 items of their colour, one a day, and the last of them after the freeze."""
    generator = np.random.default_rng(8)
    taken = np.stack([generator.permutation(np.arange(user % 2, ITEMS, 2)) for user in range(num_users)])
    return Toy(_log(taken), num_users, START + 14 * DAY_SECONDS)


def _log(taken: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Log:
    """The log of `taken` [users, days]: one item a user and day, a minute between users."""
    users, days = taken.shape
    item = taken.T.ravel() + len(RESERVED)
    return Log(
        user=np.tile(np.arange(users), days).astype(np.int32),
        item=item.astype(np.int32),
        identity=item.astype(np.int64),
        time=(START + np.arange(days)[:, None] * DAY_SECONDS + 60 * np.arange(users)).ravel().astype(np.int64),
    )
