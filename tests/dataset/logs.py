"""Small logs as codes, for tests that need no files."""

import numpy as np

from dataset.timelines import Log
from dataset.vocabulary import OOV


def random_log(*, seed: int, users: int, items: int, rows: int, seconds: int = 40 * 86_400) -> Log:
    """A log with tied times; of the `items` identities the last two are out of vocabulary."""
    rng = np.random.default_rng(seed)
    identity = rng.integers(items, size=rows)
    time = 1_700_000_000 + np.sort(rng.integers(seconds, size=rows))
    time[1::7] = time[::7][: len(time[1::7])]
    item = np.where(identity < items - 2, identity + 2, OOV).astype(np.int32)
    return Log(rng.integers(users, size=rows).astype(np.int32), item, identity.astype(np.int64), time.astype(np.int64))
