"""RecTools' SASRec (Kang and McAuley 2018; Tikhonovich et al. 2025 for the library)."""

import rectools_sequence
from rectools.models import SASRecModel

if __name__ == "__main__":
    rectools_sequence.main(SASRecModel, __doc__)
