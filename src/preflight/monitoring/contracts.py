"""The parameters of monitoring, its evidence by week, and its alarms."""

from typing import Literal

from pydantic import AwareDatetime, Field, RootModel

from preflight.contracts.documents import AsOf, Document, DocumentContract, Parameters, Text
from preflight.contracts.table import Table, column
from preflight.inference.contracts import Override
from preflight.monitoring.sequential import Scaling
from preflight.stats.contracts import Interval

AlarmName = Literal["challenger", "discrimination"]
ALARMS: tuple[AlarmName, ...] = ("challenger", "discrimination")
RANK_LAG = 2  # weeks that the scale of rank quality is behind


class Limits(Parameters):
    """How the limits of inputs follow from the days of a history."""

    days: int = Field(ge=28, description="local days of the history, at the most")
    missing_margin: float = Field(ge=0, le=1, description="added to the worst day's share")
    few_values: int = Field(gt=0, description="a feature that always takes more may freeze")
    unseen_share: float = Field(ge=0, le=1, description="of rows with a category that is new")
    rows_share: float = Field(gt=0, le=1, description="of the usual number of decisions")


class AlarmSettings(Parameters):
    """When the evidence of harm is an alarm."""

    alpha: float = Field(gt=0, lt=0.5, description="false alarms of each kind in 52 weeks, at most")
    history_weeks: int = Field(ge=4, description="weeks before the first one that counts")
    money_factor: float = Field(ge=1, description="by which the scale of money is enlarged")
    rank_factor: float = Field(ge=1, description="by which that of rank quality is enlarged")
    rank_tolerance: float = Field(gt=0, lt=0.5, description="below the mean of the history")

    def scaling(self, name: AlarmName) -> Scaling:
        """Return how an alarm's scale is estimated: money has seasons, rank quality has not."""
        if name == "challenger":
            return Scaling(self.money_factor)
        return Scaling(self.rank_factor, RANK_LAG)


class Acknowledgement(Parameters):
    """Who works on an alarm, why it is no news, and the week that it began in."""

    by: Text
    reason: Text
    since: Text = Field(description="Monday of the week that raised it, as 2013-06-24")


class Monitoring(AsOf):
    """As of which moment monitoring is made, and its settings."""

    limits: Limits
    alarms: AlarmSettings
    silenced: dict[AlarmName, Override]
    acknowledged: dict[AlarmName, Acknowledgement]


class WeeklyEvidence(Table, key=["alarm", "part", "week"]):
    """One row per alarm and week: what was measured, and the evidence of harm after it."""

    alarm: str = column("challenger: money; discrimination: rank quality", isin=[*ALARMS])
    part: str = column("of the test set of the champion, or of the log", isin=["test", "log"])
    week: str = column("its Monday, as 2013-09-02")
    decisions: int = column("decisions in it that can be used", "rows", ge=0)
    labelled: int = column("those with a label", "rows", ge=0)
    value: float = column(
        "saving less the challenger's (on test the best baseline's) per 1,000 decisions; or ROC "
        "AUC (regression: rank correlation)",
        nullable=True,
    )
    line: float = column("the least value that is no harm; missing: not counted", nullable=True)
    scale: float = column("standard deviation of a week, as known before it", nullable=True)
    evidence: float = column("that the mean is below the line", ge=0, nullable=True)
    left_out: str = column("why the week does not count; empty: it counts")


class WeeklyResults(Table, key=["week"]):
    """One row per week of the log: volume, predictions, labels, and money in the currency."""

    week: str = column("its Monday, as 2013-09-02")
    model: str = column("version of the champion at its end")
    decisions: int = column("logged in it", "rows", ge=0)
    labelled: int = column("those with a label", "rows", ge=0)
    decided: float = column("share that was acted on (regression: mean decision)")
    predicted: float = column("mean prediction")
    low: float = column("prediction that a tenth is below")
    middle: float = column("median prediction")
    high: float = column("prediction that a tenth is above")
    label: float = column("mean label", nullable=True)
    saved: float = column("by the decisions with a label, together", nullable=True)
    estimated: float = column(
        "saving of all decisions that the probabilities expect, together; missing: regression",
        nullable=True,
    )
    gain: float = column("saved less what the newest challenger would have saved", nullable=True)
    baseline_gain: float = column("saved less that of the refitted baseline", nullable=True)


class WeeklyInputs(Table, key=["week", "feature"]):
    """One row per week and feature: how far it is from the 8 weeks before."""

    week: str = column("its Monday, as 2013-09-02")
    feature: str = column("its name")
    rows: int = column("of the week", "rows", ge=0)
    distance: float = column("total variation to the 8 weeks before", ge=0, le=1, nullable=True)
    missing: float = column("share of missing values", ge=0, le=1)
    score: float = column(
        "standard deviations of its own past; missing: under 16 weeks", nullable=True
    )
    warned: bool = column("the score is above 5: look at it; no alarm")


class SliceResult(Document):
    """The saving in one slice."""

    by: str = Field(description="column")
    slice: str = Field(description="its value")
    decisions: int = Field(ge=0, description="with a label")
    saved: Interval = Field(description="per 1,000 decisions")


class ChampionResults(Document):
    """What the champion was worth since its first logged decision; money is per 1,000 decisions."""

    champion: str | None = Field(description="its version")
    since: str | None = Field(description="local day of its first logged decision")
    decisions: int = Field(ge=0, description="logged")
    labelled: int = Field(ge=0, description="those with a label: all else is of these")
    saved: Interval
    promised: float | None = Field(description="saving on the test that it was promoted on")
    estimated: Interval = Field(description="saving that the probabilities expect; not regression")
    over_challenger: Interval = Field(description="saving less that of the newest challenger")
    baseline: str = Field(description="the best one on that test")
    over_baseline: Interval = Field(description="saving less that of this baseline, refitted")
    calibration: Interval = Field(description="mean label less mean prediction")
    rank_quality: float | None = Field(description="ROC AUC; regression: rank correlation")
    slices: list[SliceResult]


class FalseAlarms(Document):
    """How often an alarm is false in 52 weeks, replayed on weeks of the log."""

    weeks: int = Field(ge=0, description="of the history that is replayed")
    autocorrelation: float | None = Field(description="of a week with the next; null: too few")
    rate: float | None = Field(description="share of replays with an alarm; null: too few weeks")


class AlarmRates(RootModel[dict[AlarmName, FalseAlarms]]):
    """The rate of false alarms of each alarm."""


class Alarm(Document):
    """One alarm: whether it is raised, the evidence, and what to do."""

    name: AlarmName
    tier: Literal[2] = Field(description="1: block, 2: alarm")
    raised: bool
    message: str = Field(description="what was found, or why nothing can be")
    evidence: float | None = Field(description="the largest so far; null: not known")
    limit: float = Field(gt=0, description="of the evidence, from which on it is an alarm")
    weeks: int = Field(ge=0, description="that counted")
    since: str | None = Field(description="Monday of the week that raised it")
    action: str = Field(description="that is proposed")
    command: str
    silenced: Override | None = Field(description="by whom, why and until when; null: it is not")
    acknowledged: Acknowledgement | None = Field(description="by whom and why; null: it is not")

    @property
    def calls(self) -> bool:
        """Return whether somebody has to act: it is raised, and nobody knows of it."""
        return self.raised and self.silenced is None and self.acknowledged is None


class Alarms(Document):
    """The alarms about the champion as of a moment."""

    moment: AwareDatetime
    champion: str | None = Field(description="its version")
    notes: list[str] = Field(description="what the figures leave out, and why none can be made")
    alarms: list[Alarm]


class ReplaySettings(Parameters):
    """How production is replayed on the history."""

    train_weeks: int = Field(ge=5, description="of the history, before the first promotion")
    every_weeks: int = Field(ge=1, description="from one refit to the next")
    labels_late_days: int = Field(ge=0, description="that labels come later than they did")


class Promotion(Document):
    """A promotion in a replay."""

    at: AwareDatetime
    fitted: AwareDatetime = Field(description="when the promoted model was fitted")


class Policy(Document):
    """What a policy would have saved, per 1,000 decisions."""

    saved_per_1000: float
    over_never: Interval = Field(description="saving less that of the policy never")
    over_calendar: Interval = Field(description="saving less that of the policy calendar")
    promotions: list[Promotion]
    weekly: list[float] = Field(description="saved in each week, in the currency")


class ProductionReplay(Document):
    """What each policy of refits would have saved on the history."""

    start: AwareDatetime = Field(description="of the first model")
    until: AwareDatetime = Field(description="last decision")
    labels_late_days: int
    every_weeks: int
    decisions: int = Field(gt=0)
    weeks: list[str] = Field(description="their Mondays")
    policies: dict[str, Policy] = Field(description="never, calendar, on alarm")
    evidence: dict[str, float | None] = Field(description="of harm, by week, if never refitted")
    first_alarm: str | None = Field(description="Monday of the week that raises it, if never")
    false_alarms: FalseAlarms = Field(description="of the alarm challenger, replayed on its weeks")


class Webhook(Document):
    """What a chat's incoming webhook takes."""

    text: str = Field(description="of the alarms that nobody knows of; empty: there are none")


alarms = DocumentContract(Alarms)
webhook = DocumentContract(Webhook)
production_replay = DocumentContract(RootModel[ProductionReplay | None])
champion_results = DocumentContract(ChampionResults)
alarm_rates = DocumentContract(AlarmRates)
