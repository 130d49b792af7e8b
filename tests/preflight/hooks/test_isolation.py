"""No row reaches the candidate but through train and validation, by graph or by file."""

from pathlib import Path
from typing import Any

import pytest
from kedro.io import DataCatalog
from kedro.pipeline import Node, Pipeline
from kedro_datasets.json import JSONDataset

from preflight.errors import RunError
from preflight.hooks.isolation import require_test_isolated


def made(*given: Any) -> Any:
    return given


def audited(*given: Any) -> Any:
    return given


SPLIT = Node(made, "features", ["train", "validation", "test", "split_summary"], name="split")
AUDIT = Node(audited, ["features", "train"], "feature_audit", name="check", namespace="audit")
TEST = Node(made, ["candidate", "test"], "test_predictions", name="predict_test")


def graph(*reads: str, more: tuple[Node, ...] = ()) -> Pipeline:
    """A small project whose model is fitted on some datasets."""
    usual = ["split_summary", "feature_audit", "params:modeling"]
    fit = Node(made, [*reads, *usual], "candidate", name="fit")
    return Pipeline([SPLIT, AUDIT, fit, TEST, *more])


@pytest.fixture
def catalog(tmp_path: Path) -> DataCatalog:
    """`exam` is the file of `test` under another name."""
    paths = {"test": "test.json", "exam": "./test.json", "train": "train.json"}
    return DataCatalog(
        {name: JSONDataset(filepath=str(tmp_path / path)) for name, path in paths.items()}
    )


@pytest.mark.parametrize(
    "clean",
    [
        graph("train", "validation"),
        graph("joined", more=(Node(made, ["train", "validation"], "joined", name="join"),)),
        Pipeline([SPLIT]),
    ],
)
def test_a_graph_that_learns_from_train_and_validation_may_run(
    clean: Pipeline, catalog: DataCatalog
) -> None:
    require_test_isolated(clean, catalog)


@pytest.mark.parametrize(
    ("leaky", "said"),
    [
        (graph("train", "validation", "test"), "'test' reaches 'candidate' through fit"),
        (
            graph("train", "validation", "exam"),
            r"'test' \(as exam\) reaches 'candidate' through fit",
        ),
        (
            graph("train", "validation", "means", more=(Node(made, "test", "means", name="mean"),)),
            "'test' reaches 'candidate' through mean",
        ),
        (graph("train", "validation", "features"), r"beside train .*: features \(read by fit\)"),
        (
            graph(
                "train", "validation", "means", more=(Node(made, "features", "means", name="mean"),)
            ),
            r"beside train .*: means \(read by fit\)\. .* Make a feature of it before the split",
        ),
        (graph("train", "validation", "raw_weather"), r"raw_weather \(read by fit\)"),
    ],
)
def test_another_way_to_the_candidate_is_refused(
    leaky: Pipeline, catalog: DataCatalog, said: str
) -> None:
    with pytest.raises(RunError, match=said):
        require_test_isolated(leaky, catalog)


def test_a_test_set_without_a_file_is_kept_apart_too() -> None:
    require_test_isolated(graph("train", "validation"), DataCatalog())
    with pytest.raises(RunError, match="'test' reaches 'candidate' through fit"):
        require_test_isolated(graph("train", "validation", "test"), DataCatalog())


def preview_graph(*reads: str, more: tuple[Node, ...] = ()) -> Pipeline:
    """A small project whose preview is fitted on some datasets."""
    split = Node(made, ["features", "labels"], ["train", "validation", "test"], name="split")
    fit = Node(made, [*reads, "params:preview"], "preview", name="fit")
    nodes = Pipeline([split, fit, *more])
    return Pipeline(
        nodes,
        namespace="preview",
        inputs=nodes.inputs() - {"params:preview"},
        parameters="params:preview",
        outputs="preview",
    )


def test_the_preview_sees_train_and_validation_only(catalog: DataCatalog) -> None:
    require_test_isolated(preview_graph("train", "validation"), catalog, "preview", "preview.")


@pytest.mark.parametrize(
    ("reads", "said"),
    [
        ("test", "'test' reaches 'preview' through preview.fit"),
        ("labels", r"beside train .*: labels \(read by preview.fit\)"),
    ],
)
def test_another_way_to_the_preview_is_refused(reads: str, said: str, catalog: DataCatalog) -> None:
    leaky = preview_graph("train", "validation", reads)
    with pytest.raises(RunError, match=said):
        require_test_isolated(leaky, catalog, "preview", "preview.")
