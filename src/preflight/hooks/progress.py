"""Progress of a run: a bar in a terminal, lines elsewhere, and its result."""

import logging
import time
from collections import Counter, defaultdict
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from preflight.hooks import interrupts
from preflight.hooks.bar import Bar, expected_seconds
from preflight.hooks.ending import summarize_run
from preflight.runs.manifest import flatten

log = logging.getLogger(__name__)
MIN_SECONDS_LOGGED = 5  # a quicker stage shares the line of the next one
IN_ORDER = ("None", "SequentialRunner")  # runners with one node at a time, as Kedro names them
SEARCH = "search_parameters"  # its trials are kept one by one


class ProgressHooks:
    """Show how far the run is, each stage that is done, and at the end the decision."""

    def __init__(self) -> None:
        self._bar: Bar | None = None

    @hook_impl
    def after_context_created(self, context: Any) -> None:
        """Keep the project's path, below which manifests have the seconds of each node."""
        self._project = context.project_path

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline) -> None:
        """Log the stages, count the outputs of each, and start the bar if there is a terminal."""
        left = Counter(_stage(node) for node in pipeline.nodes for _ in node.outputs)
        order = {name: place for place, name in enumerate(pipelines)}
        by_place = sorted(left.items(), key=lambda one: order.get(one[0], len(order)))
        self._left = Counter(dict(by_place))
        self._nodes = {node.name: _stage(node) for node in pipeline.nodes}
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._done: list[str] = []
        self._last = time.monotonic()
        self._options = _options(run_params)
        interrupts.during_run(describe=self._stop)
        log.info("Version %s: %s", run_params["run_id"], ", ".join(self._left))
        runner = str(run_params.get("runner"))
        if runner.rpartition(".")[2].partition(" ")[0] in IN_ORDER and Bar.fits():
            self._bar = Bar(expected_seconds(self._project, self._nodes))
            self._bar.start()

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Show the node in the bar."""
        if self._bar:
            self._bar.begin(node.name)

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
        self._end()
        if any(left == 0 for left in self._left.values()):
            log.warning(
                "\nFinished stages are kept. To continue: %s\n"
                "(add each earlier stage that you change)",
                self._command(),
            )

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: Any) -> None:
        """Log the decision, where the report is and what to do next."""
        self._end()
        if lines := summarize_run(pipeline.all_outputs(), catalog):
            log.info("\n%s", "\n".join(lines))

    def _end(self) -> None:
        """Forget the run, and remove the bar."""
        interrupts.after_run()
        self._remove_bar()

    def _remove_bar(self) -> None:
        if self._bar:
            self._bar.stop()
            self._bar = None

    def _command(self) -> str:
        """Return the command for the stages that are not done."""
        todo = ",".join(stage for stage, left in self._left.items() if left)
        return " ".join(["kedro run --pipelines", todo, *self._options])

    def _stop(self) -> str:
        """Return what a run that is stopped prints; the bar is removed."""
        self._remove_bar()
        stages = {_stage for name, _stage in self._nodes.items() if name.endswith(SEARCH)}
        trials = " and trials of the search" if any(self._left[stage] for stage in stages) else ""
        return f"Stopped. Finished stages{trials} are kept; to continue: {self._command()}"


def _stage(node: Node) -> str:
    """Return the pipeline that a node is of; pipelines of the preview are parts of it."""
    return node.namespace.partition(".")[0] if node.namespace else node.name


def _options(run_params: dict[str, Any]) -> list[str]:
    """Return the options of a run that its continuation needs, too."""
    given = flatten(run_params.get("runtime_params") or {})
    params = ",".join(f"{name}={value}" for name, value in given.items())
    env = run_params.get("env")
    return [
        *(["--env", env] if env and env != "local" else []),
        *(["--params", params] if params else []),
    ]
