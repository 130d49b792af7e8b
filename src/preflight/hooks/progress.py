"""Progress messages of a run, and its result."""

import logging
import os
import time
from collections import Counter, defaultdict
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

log = logging.getLogger(__name__)
MIN_SECONDS_LOGGED = 5  # a quicker stage shares the line of the next one


class ProgressHooks:
    """Log each stage when it is done, and at the end the decision and where the report is."""

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline) -> None:
        """Log the stages, and count the outputs of each."""
        self._left = Counter(_stage(node) for node in pipeline.nodes for _ in node.outputs)
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._done: list[str] = []
        self._last = time.monotonic()
        log.info("Version %s: %s", run_params["run_id"], ", ".join(self._left))

    @hook_impl
    def after_dataset_saved(self, node: Node) -> None:
        """Add the time since the last output, and log a stage after its last output."""
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
        """Log how to continue after the stages that are done."""
        if any(left == 0 for left in self._left.values()):
            todo = ",".join(stage for stage, left in self._left.items() if left)
            log.warning(
                "\nFinished stages are kept. To continue: kedro run --pipelines %s\n"
                "(add each earlier stage that you change)",
                todo,
            )

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: Any) -> None:
        """Log the decision, where the report is and what to do next."""
        from preflight.modeling.resources import is_speed, violations

        made = pipeline.all_outputs()
        if "audit" in made and "report" not in made:
            audit = catalog.load("audit")
            known = audit["state"].isin(["passed", "warning"])
            unproven = ", ".join(audit.loc[~known, "check"]) or "nothing"
            log.info("\nThe audit passed. Assumed, not checked: %s.", unproven)
            if warned := ", ".join(audit.loc[audit["state"] == "warning", "check"]):
                log.info("Warnings, to look at: %s.", warned)
        if "verdict" in made:
            verdict = catalog.load("verdict")
            decision, reasons = verdict["decision"].upper(), verdict["reasons"]
            if verdict["what_if"]:
                decision, reasons = f"{reasons[0]}. It would be {decision}", reasons[1:]
            log.info("\n%s: %s.", decision, "; ".join(reasons))
            speed = [one for one in verdict["limits"] if is_speed(one)]
            if slow := violations(speed, verdict["value"]["unit"]):
                again = "Deployment measures it again: kedro run --pipelines deployment"
                log.info("Speed:   %s. %s", "; ".join(slow), again)
        if "report" in made:
            log.info("Report:  %s", os.path.relpath(catalog["report"]._get_load_path()))
            log.info("Next:    make viz   (walk from any number in it to the raw data)")
        if "promotion" in made:
            promoted = catalog.load("promotion")
            log.info("\nPROMOTED: %s is the champion.", promoted["version"])
            log.info("To go back to the champion before:  kedro rollback")


def _stage(node: Node) -> str:
    return node.namespace or node.name
