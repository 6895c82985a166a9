"""Weight clustering of the query tower with TFMOT: each Dense kernel is left with a few distinct values.

The values start as k-means of the kernel and are trained on, each by the sum of its weights' gradients: Han et al.
2016, "Deep compression" (arXiv 1510.00149). The file gets smaller when it is gzipped, and only if the values stay as
they are: quantizing them afterwards gives each output channel levels of its own.
"""

import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras as keras

from models.compression.retraining import Retraining
from models.stored import Retriever


def clustered(retraining: Retraining, name: str, clusters: int) -> Retriever:
    """The float model trained on with clustered kernels, as a plain model.

    Args:
        retraining: of the float model.
        name: for the progress bar.
        clusters: distinct values of each kernel.
    """
    start = retraining.start()

    def wrapped(layer: keras.layers.Layer) -> keras.layers.Layer:
        # A kernel of zeros, such as one that never left its start, has no two values to tell apart.
        if isinstance(layer, keras.layers.Dense) and bool(tf.reduce_any(layer.kernel != 0)):
            return tfmot.clustering.keras.cluster_weights(
                layer,
                number_of_clusters=clusters,
                cluster_centroids_init=tfmot.clustering.keras.CentroidInitialization.KMEANS_PLUS_PLUS,
            )
        return layer

    wrapping = start.with_towers(keras.models.clone_model(start.query, clone_function=wrapped))
    retraining.train(wrapping, name)
    return wrapping.with_towers(tfmot.clustering.keras.strip_clustering(wrapping.query))


def values(model: Retriever) -> int:
    """Most distinct values that a Dense kernel of the query tower has."""
    kernels = [layer.kernel for layer in model.query.layers if isinstance(layer, keras.layers.Dense)]
    return max(len(tf.unique(tf.reshape(kernel, [-1]))[0]) for kernel in kernels)
