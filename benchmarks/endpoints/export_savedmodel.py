"""Saves a trained model as TFRS's tutorials do: `python -m benchmarks.endpoints.export_savedmodel MODEL FOLDER`."""

import sys
from pathlib import Path

import tensorflow as tf
import tensorflow_recommenders as tfrs

import params
from dataset.batches import CandidateFeatures
from dataset.world import World
from models import stored

LIST_LENGTH = 10


def export(model: Path, features: Path, folder: Path) -> None:
    """Query tower and brute-force index as one SavedModel.

    Args:
        model: what training wrote for the final fold.
        features: the features folder.
        folder: where to.
    """
    world, trained = World.read(features), stored.read(model)
    served = trained.served()
    index = tfrs.layers.factorized_top_k.BruteForce(served, k=LIST_LENGTH)
    items = CandidateFeatures.catalogue(world.features, world.final.freeze)
    index.index(tf.constant(trained.item_vectors(items)))
    index({layer.name: tf.zeros((1, *layer.shape[1:]), layer.dtype) for layer in served.inputs})
    tf.saved_model.save(index, str(folder))


if __name__ == "__main__":
    paths = params.load().paths
    export(paths.model / sys.argv[1] / "final", paths.features, Path(sys.argv[2]))
