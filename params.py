"""`params.yaml` as frozen values: one section a stage, unknown keys refused, units in the names."""

import itertools
import math
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_type_hints

import msgspec
import yaml

Count = Annotated[int, msgspec.Meta(ge=1)]
Whole = Annotated[int, msgspec.Meta(ge=0)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
NonNegative = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Rate = Annotated[float, msgspec.Meta(ge=0, lt=1)]
"""Of what is kept, dropped or sure, where all of it would leave nothing."""
HalfLives = Annotated[list[Positive], msgspec.Meta(min_length=1)]
"""Of summaries of a history, in positions."""

ABOVE: Final = ("blend", "switch", "two-stage")
"""Models that stand upon those of `models`, so names that these may not have."""
LISTED: Final = 10
"""Length of the lists that every tournament and the gate look at, so a cut-off that the evaluation must have."""
TOLERANCE: Final = 1e-9
"""Of what counts as a whole number of steps, in steps."""


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
    index: Path
    blend: Path
    rank: Path
    evaluation: Path
    registry: Path
    exposures: Path
    reports: Path
    tuning: Path


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
    max_bad_share: Share
    min_weight: float
    min_user_interactions: Whole
    """Users and items with fewer are left out of the log, see `dataset.core`; 0: nobody is."""
    min_item_interactions: Whole


class Split(Section, frozen=True):
    """What validation and test are, see `dataset.split`; the shares are of all interactions, by time, in `temporal`."""

    protocol: Literal["temporal", "leave-one-out"]
    validation_share: Share
    test_share: Share


class Dense(Section, frozen=True):
    """How items' numbers and texts become features, see `dataset.treatments` and `dataset.texts`."""

    missing: Literal["drop", "median", "mean", "constant", "model"]
    constant: float
    neighbours: Count
    normalization: Literal["none", "standard", "robust", "quantile"]
    text: Literal["none", "tfidf-svd", "sentence-encoder"]
    text_columns: list[Literal["title", "categories", "text"]]
    text_components: Count
    components: Whole


class Featurize(Section, frozen=True):
    """History length in items, popularity windows and snapshot distance in days."""

    history_length: Count
    min_item_count: Count
    popularity_windows_days: Annotated[list[Count], msgspec.Meta(min_length=1)]
    """Each longer than the one before it: what two neighbours differ by is a trend."""
    popularity_snapshot_days: Count
    dense: Dense

    def __post_init__(self) -> None:
        _rising("popularity_windows_days", self.popularity_windows_days)


class ModelSection(Section, frozen=True, tag_field="family"):
    """A model's own settings; `family` in params.yaml says which of the following they are."""


class TwoTower(ModelSection, frozen=True, tag="two-tower"):
    """A query tower that pools the history at several half-lives; see `models.towers`."""

    embedding_dim: Count
    hidden_units: list[Count]
    half_lives: HalfLives
    dropout: Rate
    temperature: Positive
    batch_size: Count
    learning_rate: Positive
    beta_2: Rate
    average: Rate


class Augment(Section, frozen=True):
    """Shares of a training window's events that are changed, see `dataset.augmentation`; 0 changes nothing."""

    crop: Share
    mask: Share
    reorder: Share


class Sequence(ModelSection, frozen=True, tag="sequence"):
    """A query tower that reads the history event by event; see `models.sequential`."""

    encoder: Literal["transformer", "gru", "lstm"]
    stride: Count
    embedding_dim: Count
    blocks: Count
    half_lives: HalfLives
    """One for each attention head, so as many as divide the width."""
    forward_factor: Count
    head_units: Whole
    dropout: Rate
    id_dropout: Rate
    augment: Augment
    content: bool
    timed: bool
    trends: bool
    temperature: NonNegative
    negatives: Whole
    batch_size: Count
    learning_rate: Positive
    beta_2: Rate
    average: Rate

    def __post_init__(self) -> None:
        heads = len(self.half_lives)
        if self.encoder == "transformer" and self.embedding_dim % heads:
            raise ValueError(
                f"embedding_dim must be a multiple of the number of half_lives, {heads}. Received: {self.embedding_dim}"
            )


class PopularityModel(ModelSection, frozen=True, tag="popularity"):
    """The most popular items of the last `window_days`; 0 for all time."""

    window_days: Whole


class ItemKNN(ModelSection, frozen=True, tag="item-knn"):
    """Cosine neighbours; see `models.baselines.item_knn`."""

    neighbours: Count
    shrink: NonNegative
    half_life: NonNegative
    longest: Count


class UserKNN(ModelSection, frozen=True, tag="user-knn"):
    """Users with a like history vote; see `scoring.user_neighbours`."""

    neighbours: Count
    shrink: NonNegative
    half_life: NonNegative
    longest: Count


class ContentBased(ModelSection, frozen=True, tag="content"):
    """What is like the items of the history, by what is written about them; see `models.baselines.content`."""

    year_weight: NonNegative
    year_span: Positive
    dense_weight: NonNegative
    half_life: NonNegative
    longest: Count


class ALS(ModelSection, frozen=True, tag="als"):
    """Matrix factorization by alternating least squares; see `models.baselines.als`."""

    factors: Count
    l2: Positive
    alpha: NonNegative
    iterations: Count
    half_life: NonNegative
    longest: Count


class FactorizationMachine(ModelSection, frozen=True, tag="factorization-machine"):
    """Pairs of what was taken and what is known of a candidate; see `models.factorization`."""

    embedding_dim: Count
    half_life: NonNegative
    longest: Count
    dropout: Rate
    batch_size: Count
    learning_rate: Positive
    epochs: Count


class MultVAE(ModelSection, frozen=True, tag="mult-vae"):
    """A variational autoencoder of histories; see `models.mult_vae`."""

    hidden_units: Count
    latent_dim: Count
    half_life: NonNegative
    longest: Count
    dropout: Rate
    anneal_cap: NonNegative
    batch_size: Count
    learning_rate: Positive
    epochs: Count


class Ease(ModelSection, frozen=True, tag="ease"):
    """EASE, its history fading, with a trend; see `models.baselines.ease`."""

    l2: Positive
    half_life: NonNegative
    longest: Count
    trend: float
    trend_days: Count


Neural = TwoTower | Sequence
Baseline = PopularityModel | ItemKNN | UserKNN | ContentBased | ALS | FactorizationMachine | MultVAE | Ease


class Train(Section, frozen=True):
    """All models that can be trained, by name, and what the neural ones among them share."""

    epochs: Count
    patience: Count
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"]
    """What the towers compute in, a policy of Keras; weights, vectors and the loss are float32 all the same."""
    threads: Count
    models: dict[str, Neural | Baseline]


Training = Literal[
    "untrained",
    "control",
    "pruned",
    "pruned-constant",
    "pruned-two-of-four",
    "clustered",
    "quantization-aware",
    "pruned-quantization-aware",
    "distilled",
    "shallow",
]
"""Ways to train a float model on; see `models.compression.contestants`."""
Storage = Literal[
    "float32",
    "float16",
    "int8",
    "full-int8",
    "tied-8",
    "tied-7",
    "tied-6",
    "tied-4",
    "tied-low-rank",
    "tied-product",
    "tied-by-popularity",
    "tied-hashed",
]
"""Ways to keep a model; see `models.compression.storage`."""


class Student(Section, frozen=True):
    """What a distilled model is beside its teacher, the float model; see `models.compression.distillation`."""

    width_share: Annotated[float, msgspec.Meta(gt=0, le=1)]
    """Of the embedding's width, and of the hidden layers' behind it."""
    blocks: Count
    """Of a sequence model, at most."""


class Distillation(Section, frozen=True):
    """How a student is taught."""

    top: Count
    """Length of the teacher's lists."""
    temperature: Positive
    """Of the soft labels."""
    weight: NonNegative
    """Of either of the teacher's losses; the usual one weighs 1."""
    epochs: Count
    """From fresh weights, at the float model's own learning rate."""


class Compress(Section, frozen=True):
    """The contestants of the compression tournament, and the rule that picks one of them."""

    contestants: dict[Training, list[Storage]]
    """Way to train on -> ways to keep what comes out."""
    sparsity: Rate
    """Of what is pruned."""
    clusters: Annotated[int, msgspec.Meta(ge=2)]
    """Distinct values of a clustered kernel."""
    bits: Annotated[int, msgspec.Meta(ge=2, le=8)]
    """Of quantization-aware training."""
    blocks: Count
    """That a shallow model keeps, the first ones."""
    student: Student
    distillation: Distillation
    fine_tune_epochs: Count
    fine_tune_learning_rate: Positive
    max_ndcg_loss: NonNegative
    min_saving: Rate

    def __post_init__(self) -> None:
        """The float model and the control are what the others are measured against."""
        needed: list[Training] = ["untrained"] if set(self.contestants) == {"untrained"} else ["untrained", "control"]
        if any("float32" not in self.contestants.get(training, []) for training in needed):
            raise ValueError(f"contestants must have float32 of {' and '.join(needed)}. Received: {self.contestants}")


class Index(Section, frozen=True):
    """Search among item vectors without looking at all of them, where a catalogue is large; see `scoring.nearest`."""

    exact_up_to: Whole
    """Items, of the catalogue or of what a request allows of it, up to which every one is multiplied."""
    lists: Positive
    """Number of lists, over the square root of the number of items."""
    probes: Count
    """Lists that are looked into for a query; more where less is allowed."""
    candidates: Count
    """Items that are scored in 16 bits after the search in 8, over what is asked for."""
    sample: Count
    """Items a list that its centre is learned from."""
    min_recall: Share
    """Of the exact ten best, on validation queries; an index with less is refused."""
    max_queries: Count
    """Of validation, that the recall is measured with."""


class Blend(Section, frozen=True):
    """Models together: a weighted sum, and a switch; both learned on validation, apart for short histories."""

    parts: Annotated[list[str], msgspec.Meta(min_length=1)]
    """Of the weighted sum."""
    switch: list[str]
    """Of whom the best one for a history's length answers alone; none for no switch."""
    steps: list[Whole]
    """Histories of at least so many interactions are told apart."""
    l2: NonNegative
    max_queries: Count

    def __post_init__(self) -> None:
        if self.steps[:1] != [0]:
            raise ValueError(f"steps must begin with 0, for those who have no history. Received: {self.steps}")
        _rising("steps", self.steps)


class Rank(Section, frozen=True):
    """A second stage upon a model: a deep and cross network that orders its best candidates anew.

    It learns from validation, which no model of `models` did learn from, and is a challenger only where it gains on the
    model it stands upon on the part of validation that it did not learn from itself. See `models.ranking`.
    """

    retriever: str
    """`blend`, or one of `models`."""
    candidates: Count
    """Length of the lists that are ordered anew."""
    learn_share: Share
    """Of the validation queries, by time: learned from. The rest says whether there is a gain."""
    max_queries: Count
    """Learned from at most."""
    half_lives: HalfLives
    """Positions after which an interaction counts half, one a summary of the history."""
    longest: Count
    """Positions of a history that are read."""
    taste_dim: Count
    embedding_dim: Whole
    """Of item ids, for candidates and history; 0 for none, which generalizes better from few queries."""
    cross_layers: Count
    units: Count
    """Of the dense layer after the crosses."""
    dropout: Rate
    l2: NonNegative
    weight_loss: NonNegative
    """Share of the second task (predicting the weight, such as a rating) in the loss; needs a log with weights."""
    batch_size: Count
    """Lists."""
    epochs: Count
    learning_rate: Positive
    """At the start; it falls to 0."""


class Evaluate(Section, frozen=True):
    """Cut-offs, intervals, slices, and the settings of the baselines that stand in every table."""

    cutoffs: Annotated[list[Count], msgspec.Meta(min_length=1)]
    primary_metric: str
    """What the gate goes by: ndcg, recall or mrr at one of the cut-offs."""
    chunk_size: Count
    bootstrap_samples: Count
    confidence: Rate
    head_share: Share
    cold_history: Whole
    baselines: list[str]
    """Models that no other may lose to; the best of them on validation is the reference while there is no champion."""
    recent_popularity_days: Count
    min_group_users: Whole
    """Users that a group of the user table must have in the test to be a slice, see `evaluation.groups`."""
    group_ranges: Count
    rating_item_shrink: NonNegative
    """Of the predictor that ratings are measured with, see `models.baselines.biases`."""
    rating_user_shrink: NonNegative

    def __post_init__(self) -> None:
        if LISTED not in self.cutoffs:
            raise ValueError(f"cutoffs must have {LISTED}, which tournaments and gate go by. Received: {self.cutoffs}")
        known = [f"{metric}_at_{cutoff}" for metric in ("ndcg", "recall", "mrr") for cutoff in self.cutoffs]
        if self.primary_metric not in known:
            raise ValueError(f"primary_metric must be one of {', '.join(known)}. Received: {self.primary_metric}")


class Promote(Section, frozen=True):
    """The gate's margins; see `promotion.gate` for what each one decides."""

    min_queries: Whole
    min_users: Whole
    bootstrap_samples: Count
    confidence: Rate
    min_gain: float
    max_compression_loss: NonNegative
    max_coverage_drop: NonNegative
    max_slice_drop: NonNegative
    min_slice_queries: Whole
    latency_p99_ms: Positive
    size_limit_bytes: Count
    latency_queries: Count


class Replay(Section, frozen=True):
    """Recorded traffic sent to the endpoint."""

    queries: Count
    concurrency: Count


class Serve(Section, frozen=True):
    """The endpoint's address and limits."""

    host: str
    port: Port
    max_body_bytes: Count
    max_concurrency: Count
    timeout_seconds: Count
    workers: Count
    largest_batch: Count
    cache_entries: Whole
    cache_seconds: Count
    redis: str
    access_log: bool
    telemetry: bool


class Monitor(Section, frozen=True):
    """When a difference between two windows is drift, and when there is too little to tell."""

    window_days: Whole
    min_rows: Whole
    max_rows: Count
    psi_threshold: NonNegative
    max_drifted_share: Share
    max_fallback_share: Share


def _rising(name: str, numbers: list[int]) -> None:
    if any(later <= earlier for earlier, later in itertools.pairwise(numbers)):
        raise ValueError(f"{name} must rise. Received: {numbers}")


class Domain:
    """What a searched setting may be: a `Range` or `Choices`."""

    __slots__ = ()


class Range(Section, Domain, frozen=True):
    """Numbers from `low` to `high`, both included; whole ones where the setting is a whole number."""

    low: float
    high: float
    log: bool
    """Whether each order of magnitude is as likely as the next."""
    step: float
    """Distance of the values from `low` on; 0 for every number between."""

    def __post_init__(self) -> None:
        steps = (self.high - self.low) / self.step if self.step else 0.0
        whole = abs(steps - round(steps)) < TOLERANCE
        if (
            not self.low < self.high < math.inf
            or self.step < 0
            or not whole
            or (self.log and (self.low <= 0 or self.step))
        ):
            raise ValueError(
                "a range must have low < high, a step of 0 or one that leads to high, and with log low > 0 and step 0. "
                f"Received: low {self.low:g}, high {self.high:g}, log {self.log}, step {self.step:g}"
            )


class Choices(Section, Domain, frozen=True):
    """A few values, lists among them."""

    choices: list[Any]

    def __post_init__(self) -> None:
        distinct = all(value not in self.choices[:place] for place, value in enumerate(self.choices))
        finite = all(math.isfinite(value) for value in self.choices if isinstance(value, float))
        if not (self.choices and distinct and finite):
            raise ValueError(f"choices must be at least one, distinct and finite. Received: {self.choices}")


class Tune(Section, frozen=True):
    """A search for better settings, on validation; see `tasks.tune`."""

    model: str
    trials: Count
    """Of one run; a study that is continued gets so many more."""
    timeout_seconds: Count
    """No trial starts after it; the one that runs is let end."""
    sampler: Literal["grid", "random", "tpe"]
    pruner: Literal["none", "median", "hyperband"]
    startup_trials: Whole
    """Trials before the tree-structured Parzen estimator, or the median, is asked."""
    warmup_epochs: Whole
    """First epochs of a trial, in which it is not pruned."""
    space: dict[str, dict[str, Domain]]
    """Model of `train.models` -> its setting -> where to look."""


class Params(Section, frozen=True):
    """All of params.yaml."""

    seed: Whole
    models: list[str]
    """Of `train.models`: what the pipeline trains, compresses and examines, and what may become champion."""
    paths: Paths
    ingest: Ingest
    prepare: Prepare
    split: Split
    featurize: Featurize
    train: Train
    compress: Compress
    index: Index
    blend: Blend
    rank: Rank
    evaluate: Evaluate
    promote: Promote
    replay: Replay
    serve: Serve
    monitor: Monitor
    tune: Tune


class ParamsError(ValueError):
    """params.yaml has an unknown, missing or wrongly typed key; the message names file and key."""


def settings_of(model: ModelSection, **changes: object) -> ModelSection:
    """A model's settings with some changed, checked as if they stood in params.yaml.

    Raises:
        msgspec.ValidationError: a setting is unknown or of the wrong type.
    """
    found: ModelSection = msgspec.convert(msgspec.to_builtins(model) | changes, type=type(model))
    return found


def types_of(model: ModelSection) -> dict[str, Any]:
    """Setting -> its type, without its bounds."""
    return get_type_hints(type(model))


def _decode(kind: type, value: object) -> object:
    """What msgspec does not know by itself; it adds the key to what is raised here."""
    if kind is Path:
        if not isinstance(value, str):
            raise TypeError(f"Expected `str`, got `{type(value).__name__}`")
        return Path(value)
    if kind is Domain:
        chosen = isinstance(value, dict) and "choices" in value
        try:
            return msgspec.convert(value, type=Choices if chosen else Range)
        except msgspec.ValidationError as error:
            raise ValueError(f"{value} must be {{low, high, log, step}} or {{choices}}: {error}") from error
    raise NotImplementedError


def load(path: Path = Path("params.yaml")) -> Params:
    """Reads the parameters.

    Raises:
        ParamsError: a key is unknown, missing or of the wrong type.
    """
    try:
        found = msgspec.convert(yaml.safe_load(path.read_text()), type=Params, dec_hook=_decode)
    except (msgspec.ValidationError, yaml.YAMLError) as error:
        raise ParamsError(f"{path}: {error}") from error
    for place, names, known in (
        ("models", found.models, found.train.models),
        ("blend.parts", found.blend.parts, found.models),
        ("blend.switch", found.blend.switch, found.models),
        ("rank.retriever", [found.rank.retriever], [*found.models, "blend"]),
        ("evaluate.baselines", found.evaluate.baselines, found.models),
    ):
        unknown = [name for name in names if name not in known]
        if unknown or len(set(names)) != len(names):
            raise ParamsError(f"{path}: {place} must be distinct names of {list(known)}. Received: {names}")
    if set(ABOVE) & set(found.train.models):
        raise ParamsError(f"{path}: train.models must not have {', '.join(ABOVE)}, which stand upon its models")
    for name in found.models:
        model = found.train.models[name]
        if isinstance(model, Sequence) and model.stride > found.featurize.history_length:
            raise ParamsError(
                f"{path}: train.models.{name}.stride must be at most featurize.history_length, "
                f"{found.featurize.history_length}. Received: {model.stride}"
            )
    if found.tune.model not in found.tune.space:
        raise ParamsError(f"{path}: tune.model must be one of tune.space. Received: {found.tune.model}")
    for name, domains in found.tune.space.items():
        if name not in found.train.models:
            raise ParamsError(f"{path}: tune.space must hold models of train.models alone. Received: {name}")
        for setting, domain in domains.items():
            wrong = _misfit(found.train.models[name], setting, domain)
            if wrong:
                raise ParamsError(f"{path}: tune.space.{name}.{setting} {wrong}")
    return found


def _misfit(model: ModelSection, setting: str, domain: Domain) -> str:
    """Why a model's setting cannot be searched so; empty when it can."""
    types = types_of(model)
    if setting not in types:
        return f"is no setting of its model, which has {', '.join(types)}"
    if isinstance(domain, Range):
        kind = types[setting]
        if kind not in (int, float):
            return "must have choices: only numbers have a range"
        if kind is int and not all(number.is_integer() for number in (domain.low, domain.high, domain.step)):
            return "must have a range of whole numbers"
        what, values = "an end", [kind(domain.low), kind(domain.high)]
    else:
        assert isinstance(domain, Choices)  # there are two kinds
        what, values = "a choice", domain.choices
    try:
        for value in values:
            settings_of(model, **{setting: value})
    except msgspec.ValidationError as error:
        return f"has {what} that the model refuses: {error}"
    return ""
