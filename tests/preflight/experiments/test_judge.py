"""The verdict of a look, and its sentence."""

from collections.abc import Callable

import pytest

from preflight.experiments.contracts import Effect
from preflight.experiments.judge import describe_verdict, judge
from preflight.inference.experiment import Design
from preflight.problem.framing import Framing


@pytest.mark.parametrize(
    ("effect", "harmed", "last", "verdict"),
    [
        ((2, 1, 3), [], False, "take the treatment"),
        ((2, 1, 3), ["place west"], True, "keep the control"),
        ((-2, -3, -1), [], False, "keep the control"),
        ((1, -1, 3), [], False, "go on"),
        ((1, -1, 3), [], True, "no difference shown"),
    ],
)
def test_verdicts(
    effect: tuple[float, float, float], harmed: list[str], last: bool, verdict: str
) -> None:
    mean, low, high = effect
    assert judge(Effect(mean=mean, low=low, high=high), harmed, last) == verdict


@pytest.mark.parametrize(
    ("effect", "said"),
    [
        ((400, 100, 700), "the treatment (champion) saves €400 per 1,000 parcels more than"),
        ((-400, -700, -100), "the treatment (champion) costs €400 per 1,000 parcels more than"),
    ],
)
def test_a_loss_is_told_as_a_cost(
    effect: tuple[float, float, float],
    said: str,
    seal_design: Callable[..., Design],
    framing: Framing,
) -> None:
    mean, low, high = effect
    given = (Effect(mean=mean, low=low, high=high), "go on", [], framing)
    told = describe_verdict(seal_design(), *given)
    assert said in told
    assert told.endswith("interval €100 to €700")
