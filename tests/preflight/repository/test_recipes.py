"""Recipes with code, to the letter: the files of docs/recipes.md in a project, and what they do."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

import late_flights

PAGE = Path(__file__).parents[3] / "docs/recipes.md"
Blocks = dict[str, str]
Kedro = Callable[..., Any]


def blocks(heading: str) -> Blocks:
    """The files that a recipe tells to write, by their names."""
    (text,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE.read_text(), flags=re.M | re.S)
    return dict(re.findall(r'```\w+ title="([^"]+)"\n(.*?)```', text, flags=re.S))


def write(project: Path, files: Blocks) -> None:
    """Write code, and settings into those that are there."""
    for title, text in files.items():
        path = project / title
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".yml" and path.exists():
            OmegaConf.save(OmegaConf.merge(OmegaConf.load(path), OmegaConf.create(text)), path)
        else:
            path.write_text(text)


def newest(project: Path, name: str) -> Any:
    """The newest version of a JSON dataset."""
    return json.loads(max(project.glob(f"data/08_reporting/{name}/*/{name}")).read_text())


@pytest.mark.slow
def test_a_metric_a_baseline_and_an_estimator_of_your_own_are_in_the_results(
    finished_copy: Path, kedro: Kedro
) -> None:
    for recipe in ("A metric", "A baseline", "An estimator"):
        write(finished_copy, blocks(f"{recipe} of your own"))
    told = re.search(r"Add `- (.+?)` to `(_trusted)` in `(.+?)`", PAGE.read_text())
    assert told
    name, entry, file = told.groups()
    catalog = (finished_copy / file).read_text()
    trusted = re.sub(rf"(?m)^({entry}: .*)$", rf"\1\n  - {name}", catalog, count=1)
    (finished_copy / file).write_text(trusted)
    done = kedro(finished_copy, "run", "--pipelines", "modeling,evaluation,reporting")
    assert done.returncode == 0, done.stdout + done.stderr
    metrics = newest(finished_copy, "metrics.json")
    shares = [of["precision"]["mean"] for name, of in metrics.items() if name != "never_act"]
    assert all(share is None or 0 <= share <= 1 for share in shares)
    assert metrics["candidate"]["precision"]["mean"] > 0
    assert metrics["score"]["roc_auc"]["mean"] > 0.5
    assert "score" in newest(finished_copy, "verdict.json")["value"]["over_baselines"]
    trials = max(finished_copy.glob("data/06_models/trials.parquet/*/trials.parquet"))
    assert "binned_score" in set(pd.read_parquet(trials)["candidate"])


@pytest.mark.slow
def test_a_second_label_is_tried_in_an_environment(finished_copy: Path, kedro: Kedro) -> None:
    first = newest(finished_copy, "metrics.json")
    counted = (finished_copy / "data/test_evaluations.jsonl").read_bytes()
    files = blocks("A second label")
    write(finished_copy, files)
    (env,) = {Path(title).parts[1] for title in files}
    assert f"--env {env} --params modeling.search.trials=0" in PAGE.read_text()
    done = kedro(finished_copy, "run", "--env", env, "--params", "modeling.search.trials=0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"framing\.prediction\.label_threshold is 60", done.stderr)
    second = newest(finished_copy, "metrics.json")
    assert second["candidate"]["log_loss"] != first["candidate"]["log_loss"]
    assert (finished_copy / "data/test_evaluations.jsonl").read_bytes() == counted
    refused = kedro(finished_copy, "run", "--env", env, "--pipelines", "deployment")
    assert refused.returncode != 0
    assert "what-if" in refused.stdout + refused.stderr


def test_within_a_budget_the_decisions_that_save_most_are_kept(
    made: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = blocks("Rank within a budget")
    write(tmp_path, files)
    folder = str(tmp_path / "src/late_flights")
    monkeypatch.setattr(late_flights, "__path__", [*late_flights.__path__, folder])

    class Catalog:
        def load(self, name: str) -> Any:
            return made[name.removeprefix("params:")]

    limit = 20  # of some hundred parcels a week
    code = files["compare_within_budget.py"].replace("500", str(limit))
    there: dict[str, Any] = {"catalog": Catalog()}
    exec(compile(code, "compare_within_budget.py", "exec"), there)
    predictions, week = there["predictions"], there["week"]
    act = predictions["act"].to_numpy()
    kept = there["within_budget"](act, predictions["probability"].to_numpy(), week, limit)
    of_week = predictions.assign(kept=kept).groupby(week)
    assert (act.astype(int) >= kept).all()
    assert of_week["kept"].sum().tolist() == np.minimum(of_week["act"].sum(), limit).tolist()
    assert (of_week["act"].sum() > limit).any()
    for _, rows in of_week:  # costs are the same for all: the most probable save most
        left = rows["act"] & ~rows["kept"]
        assert rows["probability"][rows["kept"]].min() >= rows["probability"][
            left
        ].max() or not any(left)
    assert there["gains"].keys() == set(made["framing"].baselines)
    assert all(gain["low"] < gain["mean"] < gain["high"] for gain in there["gains"].values())
