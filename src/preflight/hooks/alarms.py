"""An alarm ends a run with an exit status of its own, after everything was saved."""

from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.pipeline import Pipeline

ALARMS = "alarms"  # the dataset


class AlarmHooks:
    """Raise an error after a run that found an alarm, unless it is silenced or acknowledged."""

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: Any) -> None:
        """Raise AlarmError if the run saved an alarm that nobody silenced or acknowledged."""
        if ALARMS in pipeline.all_outputs():
            # imported here, because every kedro command loads this module
            from preflight.monitoring.alarms import require_no_alarm

            require_no_alarm(catalog.load(ALARMS))
