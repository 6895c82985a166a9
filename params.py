"""`params.yaml` as frozen values: one section a stage, unknown keys refused, units in the names."""

from pathlib import Path
from typing import Literal

import msgspec
import yaml


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A part of params.yaml. No field has a default: the file is the only place for a value."""


class Paths(Section, frozen=True):
    """Where every artefact lives, relative to the project's root; dvc.yaml interpolates the same values."""

    inbox: Path
    raw: Path
    prepared: Path
    split: Path
    features: Path
    model: Path
    variants: Path
    evaluation: Path
    registry: Path
    exposures: Path
    reports: Path


class Files(Section, frozen=True):
    """File names or globs below `paths.inbox` for the source `files`."""

    interactions: str
    items: str
    users: str


class Ingest(Section, frozen=True):
    """Where the interaction log comes from."""

    source: Literal["movielens-100k", "movielens-zip", "files"]
    location: str
    files: Files


class Columns(Section, frozen=True):
    """The log's own name of each column; empty where it has none."""

    user_id: str
    item_id: str
    timestamp: str
    weight: str
    event_type: str
    title: str
    categories: str
    year: str
    text: str
    numeric: list[str]


class Prepare(Section, frozen=True):
    """What a row must look like, and how many bad ones are too many."""

    columns: Columns
    category_separator: str
    timestamp_unit: Literal["auto", "s", "ms", "us", "iso"]
    latest_timestamp: str
    max_bad_share: float
    min_weight: float


class Split(Section, frozen=True):
    """Shares of all interactions, by time, that go to validation and test."""

    validation_share: float
    test_share: float


class Featurize(Section, frozen=True):
    """History length in items, popularity windows and snapshot distance in days."""

    history_length: int
    min_item_count: int
    popularity_windows_days: list[int]
    popularity_snapshot_days: int


class Train(Section, frozen=True):
    """The two-tower retrieval model and its fit."""

    embedding_dim: int
    hidden_units: list[int]
    half_lives: list[float]
    dropout: float
    temperature: float
    batch_size: int
    learning_rate: float
    epochs: int
    patience: int
    mixed_precision: bool
    threads: int


class Compress(Section, frozen=True):
    """Pruning, its control, quantization, and the rule that picks the variant."""

    sparsity: float
    fine_tune_epochs: int
    fine_tune_learning_rate: float
    max_ndcg_loss: float


class Evaluate(Section, frozen=True):
    """Cut-offs, intervals, slices, and the settings of the baselines that stand in every table."""

    cutoffs: list[int]
    primary_metric: str
    chunk_size: int
    bootstrap_samples: int
    confidence: float
    head_share: float
    cold_history: int
    recent_popularity_days: int
    item_knn_neighbours: int
    item_knn_shrink: float


class Promote(Section, frozen=True):
    """The gate's margins; see `promotion.gate` for what each one decides."""

    min_queries: int
    min_users: int
    bootstrap_samples: int
    confidence: float
    min_gain: float
    max_compression_loss: float
    max_coverage_drop: float
    max_slice_drop: float
    min_slice_queries: int
    latency_p99_ms: float
    size_limit_bytes: int
    latency_queries: int


class Replay(Section, frozen=True):
    """Recorded traffic sent to the endpoint."""

    queries: int
    concurrency: int


class Serve(Section, frozen=True):
    """The endpoint's address and limits."""

    host: str
    port: int
    max_body_bytes: int
    max_concurrency: int
    timeout_seconds: int


class Monitor(Section, frozen=True):
    """When a difference between two windows is drift, and when there is too little to tell."""

    window_days: int
    min_rows: int
    max_rows: int
    psi_threshold: float
    max_drifted_share: float
    max_fallback_share: float


class Params(Section, frozen=True):
    """All of params.yaml."""

    seed: int
    paths: Paths
    ingest: Ingest
    prepare: Prepare
    split: Split
    featurize: Featurize
    train: Train
    compress: Compress
    evaluate: Evaluate
    promote: Promote
    replay: Replay
    serve: Serve
    monitor: Monitor


class ParamsError(ValueError):
    """params.yaml has an unknown, missing or wrongly typed key; the message names file and key."""


def _decode_path(kind: type, value: object) -> Path:
    if kind is not Path:
        raise NotImplementedError
    if not isinstance(value, str):
        raise TypeError(f"Expected `str`, got `{type(value).__name__}`")  # msgspec adds the key
    return Path(value)


def load(path: Path = Path("params.yaml")) -> Params:
    """Reads the parameters.

    Raises:
        ParamsError: a key is unknown, missing or of the wrong type.
    """
    try:
        return msgspec.convert(yaml.safe_load(path.read_text()), type=Params, dec_hook=_decode_path)
    except (msgspec.ValidationError, yaml.YAMLError) as error:
        raise ParamsError(f"{path}: {error}") from error
