"""features, prediction log, labels -> limits of inputs, alarms on harm, and the monitoring page."""

from kedro.pipeline import Node, Pipeline

from preflight import monitoring, reporting
from preflight.reporting import figure

FRAMING = "params:framing"
SETTINGS = [FRAMING, "params:monitoring"]
TEST = "champion_test"


def create_pipeline() -> Pipeline:
    """Return the pipeline from the prediction log to the limits, the alarms and their page."""
    figures = [
        figure(reporting.plot_harm, "weekly_results", "weekly_evidence", *SETTINGS),
        figure(reporting.plot_discrimination, "weekly_evidence", *SETTINGS),
        figure(reporting.plot_cumulative_gain, "weekly_results", FRAMING),
        figure(reporting.plot_weekly_saving, "weekly_results", FRAMING),
        figure(reporting.plot_predictions, "weekly_results", FRAMING),
        figure(reporting.plot_inputs, "weekly_inputs", "input_checks", FRAMING),
    ]
    results = ["weekly_inputs", "champion_results", "alarm_rates", "alarms", "production_replay"]
    shown = results + [name for node in figures for name in node.outputs]
    return Pipeline(
        [
            Node(
                monitoring.compute_input_limits,
                ["feature_history", "labels", "logged_days", *SETTINGS, "contracts"],
                "input_limits",
                name="compute_input_limits",
            ),
            Node(
                monitoring.join_decisions,
                [
                    "logged_days",
                    "labels",
                    "champion",
                    "refits",
                    "baseline_refits",
                    TEST,
                    *SETTINGS,
                    "contracts",
                ],
                ["labelled_decisions", "input_counts", "log_notes"],
                name="join_decisions",
            ),
            Node(monitoring.compare_inputs, "input_counts", "weekly_inputs", name="compare_inputs"),
            Node(
                monitoring.measure_weeks,
                ["labelled_decisions", FRAMING],
                "weekly_results",
                name="measure_weeks",
            ),
            Node(
                monitoring.measure_champion,
                ["labelled_decisions", "champion", TEST, FRAMING, "params:evaluation"],
                "champion_results",
                name="measure_champion",
            ),
            Node(
                monitoring.measure_evidence,
                ["labelled_decisions", TEST, *SETTINGS],
                ["weekly_evidence", "alarm_rates"],
                name="measure_evidence",
            ),
            Node(
                monitoring.raise_alarms,
                ["weekly_evidence", "log_notes", "champion_results", *SETTINGS],
                ["alarms", "latest_alarms", "alarm_webhook"],
                name="raise_alarms",
            ),
            *figures,
            Node(
                reporting.render_monitoring_page,
                {name: name for name in shown} | {"framing": FRAMING},
                "monitoring_page",
                name="render_monitoring_page",
            ),
        ],
        namespace="monitoring",
        prefix_datasets_with_namespace=False,
    )
