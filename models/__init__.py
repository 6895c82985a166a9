"""Everything that needs TensorFlow. TFRS and TFMOT live on Keras 2, which has to be chosen before the first import."""

import logging
import os
from typing import Final

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it reports every temporary file that a conversion writes

LAYER_SCOPE: Final = "podium"
"""What Keras registers our layers under."""
