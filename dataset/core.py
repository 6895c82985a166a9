"""The k-core of a log: what is left when users and items with too few interactions go, until none is left.

Papers on sequential recommendation are measured on such logs, mostly the 5-core (Kang and McAuley 2018, arXiv
1808.09781). Leave it off for anything else: it counts interactions of any time, the test's among them, and makes the
task easier than it is.
"""

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.integer]


def core(user: Codes, item: Codes, *, min_user: int, min_item: int) -> npt.NDArray[np.bool_]:
    """[interactions] which of them are left.

    Args:
        user: [interactions] number of the user.
        item: [interactions] number of the item.
        min_user: interactions that a user must have; 0 or 1 asks nothing.
        min_item: interactions that an item must have.
    """
    left = np.ones(len(user), np.bool_)
    while True:
        few = np.zeros(len(left), np.bool_)
        for code, least in ((user, min_user), (item, min_item)):
            few |= np.bincount(code[left], minlength=int(code.max(initial=0)) + 1)[code] < least
        if not (few & left).any():
            return left
        left &= ~few
