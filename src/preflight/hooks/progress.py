"""What a run says while it works, and at its end."""

import logging
import os
import time
from collections import Counter, defaultdict
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

log = logging.getLogger(__name__)
MIN_SECONDS_LOGGED = 5  # seconds of a stage that has no line of its own


class ProgressHooks:
    """Which stages are done while it works, and at the end what was decided and where to look."""

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline) -> None:
        """Say what runs, and count what each stage has to save."""
        self._left = Counter(_stage(node) for node in pipeline.nodes for _ in node.outputs)
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._done: list[str] = []
        self._last = time.monotonic()
        log.info("Version %s: %s", run_params["run_id"], ", ".join(self._left))

    @hook_impl
    def after_dataset_saved(self, node: Node) -> None:
        """Count the time since the last, and say that a stage is done with its last output.

        Quick ones are told together with the next.
        """
        stage, now = _stage(node), time.monotonic()
        self._seconds[stage] += now - self._last
        self._last = now
        self._left[stage] -= 1
        if self._left[stage] == 0:
            self._done.append(f"{stage} {self._seconds[stage]:.1f} s")
            if self._seconds[stage] > MIN_SECONDS_LOGGED or not any(self._left.values()):
                log.info("Done: %s", ", ".join(self._done))
                self._done.clear()

    @hook_impl
    def on_pipeline_error(self) -> None:
        """Say how to go on after the stages that are done."""
        if any(left == 0 for left in self._left.values()):
            todo = ",".join(stage for stage, left in self._left.items() if left)
            log.warning(
                "\nWhat is done is kept. To go on: kedro run --pipelines %s\n"
                "(and before them each stage that you change)",
                todo,
            )

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: Any) -> None:
        """Say the decision, where the report is and what to do next."""
        from preflight.modeling.resources import is_speed, violations

        made = pipeline.all_outputs()
        if "audit" in made and "report" not in made:
            audit = catalog.load("audit")
            told = ", ".join(audit.loc[audit["state"] != "passed", "check"]) or "nothing"
            log.info("\nThe audit has passed. Taken on trust: %s.", told)
        if "verdict" in made:
            verdict = catalog.load("verdict")
            told, reasons = verdict["decision"].upper(), verdict["reasons"]
            if verdict["what_if"]:
                told, reasons = f"{reasons[0]}. It would be {told}", reasons[1:]
            log.info("\n%s: %s.", told, "; ".join(reasons))
            speed = [one for one in verdict["limits"] if is_speed(one)]
            if slow := violations(speed, verdict["value"]["unit"]):
                log.info("Speed:   %s. Deployment measures it again.", "; ".join(slow))
        if "report" in made:
            log.info("Report:  %s", os.path.relpath(catalog["report"]._get_load_path()))
            log.info("Next:    make viz   (walk from any number in it to the raw data)")
        if "promotion" in made:
            promoted = catalog.load("promotion")
            log.info("\nPROMOTED: %s is the champion.", promoted["version"])
            log.info("Back to the one before it:  kedro rollback")


def _stage(node: Node) -> str:
    return node.namespace or node.name
