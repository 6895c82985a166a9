"""RecTools' BERT4Rec (Sun et al. 2019)."""

import rectools_sequence
from rectools.models import BERT4RecModel

if __name__ == "__main__":
    rectools_sequence.main(BERT4RecModel, __doc__)
