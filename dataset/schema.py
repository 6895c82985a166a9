"""What an interaction is: the names of the columns, once.

Every table of the platform speaks these names; a source maps its own names onto them when it is read.
The pandera checks that stand at the door live in `dataset.checks`.
"""

from typing import Final

USER: Final = "user_id"  # string, never empty
ITEM: Final = "item_id"  # string, never empty
TIMESTAMP: Final = "timestamp"  # int64, seconds since 1970-01-01 UTC
WEIGHT: Final = "weight"  # float32, strength of the interaction (a rating, a count); 1.0 when the source has none
EVENT: Final = "event_type"  # string, empty when the source has none

TITLE: Final = "title"  # string, the item id when the source has none
CATEGORIES: Final = "categories"  # list of strings, may be empty
YEAR: Final = "year"  # nullable int
TEXT: Final = "text"  # string, may be empty

INTERACTION_COLUMNS: Final = (USER, ITEM, TIMESTAMP, WEIGHT, EVENT)
ITEM_COLUMNS: Final = (ITEM, TITLE, CATEGORIES, YEAR, TEXT)
