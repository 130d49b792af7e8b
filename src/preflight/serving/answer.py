"""What the service answers, as its document describes it."""

from typing import Any

from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, Field


class Answer(BaseModel):
    """What the champion says of one row: a probability and whether to act, or an amount."""

    probability: float | None = Field(None, ge=0, le=1)
    act: bool | None = None
    prediction: float | None = None
    flags: str = Field(description="what is missing, or was never seen before; empty: nothing")
    reasons: str = Field(description="what moves the probability most; empty if not asked for")


class Fault(BaseModel):
    """What is wrong with a row, or with the request as a whole."""

    row: int | None = Field(description="from 0; null: the request")
    says: list[str]


class Refusal(BaseModel):
    """Why nothing was answered."""

    faults: list[Fault] = Field(description="the first 20")
    more: int = Field(0, description="faults that are not listed; a row counts as one")


class AnswerColumns(BaseModel):
    """What the champion says of rows that came as columns: see Answer."""

    probability: list[float | None] | None = None
    act: list[bool | None] | None = None
    prediction: list[float | None] | None = None
    flags: list[str | None]
    reasons: list[str | None]


class Answered(Refusal):
    """Answers in the order of the rows, null where a row was refused."""

    model: str = Field(description="version of the champion that answered")
    moment: AwareDatetime
    answers: list[Answer | None] | AnswerColumns = Field(description="columns to columns")


NO_KEY: Any = {401: {"model": Refusal, "description": "another key is needed"}}
NOT_READY: Any = {503: {"model": Refusal, "description": "there is no champion"}}
BAD: Any = {
    408: {"model": Refusal, "description": "the body did not come in time"},
    413: {"model": Refusal, "description": "too large"},
    415: {"model": Refusal, "description": "compressed"},
    422: {"model": Refusal, "description": "bad rows, and all that is wrong with them"},
}


def refusal(status: int, *says: str) -> JSONResponse:
    """Return an answer that says what is wrong with the request as a whole."""
    close = {"connection": "close"} if status in {408, 413} else None  # more of the body may come
    return JSONResponse({"faults": [{"row": None, "says": list(says)}], "more": 0}, status, close)
