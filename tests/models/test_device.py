"""What can be shown of several devices and mixed precision without a GPU: the same code on two virtual CPU devices."""

import pytest

from tests.models import small

MIRRORED = """
import tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
import numpy as np
import tf_keras as keras
from models import retrieval, stored
from models.fit import batches, fit
from tests.models import small

strategy = tf.distribute.MirroredStrategy(tf.config.list_logical_devices("CPU"))
with strategy.scope():
    model = retrieval.build(small.SHAPE)
    before = stored.weights(model)
    optimizer = keras.optimizers.Adam(0.01)
    fit(model, batches(small.arrays(256), batch_size=64, seed=1), optimizer=optimizer, epochs=1, patience=1,
        validate=None, label="two devices")
moved = [name for name, value in stored.weights(model).items() if not np.array_equal(value, before[name])]
finite = all(np.isfinite(value).all() for value in stored.weights(model).values())
print(strategy.num_replicas_in_sync, len(moved) > 5, finite)
"""

MIXED = """
import sys
import numpy as np
import tf_keras as keras
from models import device, retrieval, stored
from models.fit import batches, fit
from tests.models import small

policy = sys.argv[1]
device.prepare(seed=1, threads=2)
model = retrieval.build(small.SHAPE, policy=policy)
before = stored.weights(model)
fit(model, batches(small.arrays(256), batch_size=64, seed=1), optimizer=device.optimizer(0.01, policy=policy),
    epochs=3, patience=1, validate=None, label="mixed")
vectors, after = model.query_vectors(small.queries()), stored.weights(model)
moved = [name for name in after if not np.array_equal(after[name], before[name])]
computed = model.query.get_layer("query_projection").compute_dtype
print(computed, vectors.dtype, np.isfinite(vectors).all(), len(moved) > 5)
"""


def test_two_devices_train_one_model() -> None:
    assert small.python(MIRRORED).split() == ["2", "True", "True"]


@pytest.mark.parametrize("computed", ["float16", "bfloat16"])
def test_mixed_precision_trains_and_answers_in_float32(computed: str) -> None:
    """Accidental hits among the negatives are taken out of the logits in float32, which half of them cannot be."""
    assert small.python(MIXED, f"mixed_{computed}").split() == [computed, "float32", "True", "True"]
