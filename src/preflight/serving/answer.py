"""The answers of the service, as types for its document."""

from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, Field
from starlette.exceptions import HTTPException

from preflight.deployment.champion import ChampionRecord


class Answer(BaseModel):
    """The answer to one row: a probability and the decision, or a predicted quantity."""

    probability: float | None = Field(None, ge=0, le=1)
    act: bool | None = None
    prediction: float | None = None
    untouched: bool = Field(False, description="nobody acts on it, at random, to see its label")
    flags: str = Field(description="missing inputs and categories not seen in training")
    reasons: str = Field(description="the groups with the largest effect, with explain=true")


class Fault(BaseModel):
    """The faults of one row, or of the request as a whole."""

    row: int | None = Field(description="from 0; null: the request")
    messages: list[str]


class Refusal(BaseModel):
    """Why a request, or some of its rows, got no answer."""

    faults: list[Fault] = Field(description="the first 20")
    more: int = Field(0, description="faults that are not listed; such a row counts once")


class AnswerColumns(BaseModel):
    """The answers to rows that came as columns: see Answer."""

    probability: list[float | None] | None = None
    act: list[bool | None] | None = None
    prediction: list[float | None] | None = None
    untouched: list[bool | None] | None = None
    flags: list[str | None]
    reasons: list[str | None]


class Answered(Refusal):
    """The answers in the order of the rows; null for a refused row."""

    model: str = Field(description="version of the champion that answered")
    moment: AwareDatetime
    keyed_table: str | None = Field(
        None, description="of keys: version of the run that wrote the features that were looked up"
    )
    answers: list[Answer | None] | AnswerColumns = Field(description="by column if the request was")


class Alive(BaseModel):
    """The process runs."""

    status: str = Field(description="alive")


class Ready(BaseModel):
    """There is a champion, and no block."""

    model: str = Field(description="version of the champion")


class Champion(ChampionRecord):
    """The champion, and what is known of it."""

    card: str | None = Field(description="model card, in Markdown; null: that run made no report")
    threshold: float | None = Field(description="act above it; null: the costs of a row decide")
    features: list[str]
    provenance: dict[str, Any] = Field(description="what it was fitted on and with")
    framing: dict[str, Any] = Field(description="what is decided, and at what costs")


NO_KEY: Any = {401: {"model": Refusal, "description": "the API key is missing or wrong"}}
NOT_READY: Any = {
    503: {"model": Refusal, "description": "there is no champion, a block, or no table for keys"}
}
BAD: Any = {
    400: {"model": Refusal, "description": "the body is not complete"},
    408: {"model": Refusal, "description": "the body did not come in time"},
    413: {"model": Refusal, "description": "too large"},
    415: {"model": Refusal, "description": "compressed"},
    422: {"model": Refusal, "description": "rows or a query that are not valid, with the faults"},
    500: {"model": Refusal, "description": "the champion can't answer: see the log"},
}


def refusal(status: int, *messages: str) -> JSONResponse:
    """Return an answer with the faults of the request as a whole."""
    close = {"connection": "close"} if status in {408, 413} else None  # more of the body may come
    return JSONResponse(
        {"faults": [{"row": None, "messages": list(messages)}], "more": 0}, status, close
    )


async def refuse(_: Request, error: Exception) -> JSONResponse:
    """Return the answer to a request that fails before or after its endpoint, as a refusal."""
    if isinstance(error, RequestValidationError):
        faults = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        return refusal(422, *faults)
    if isinstance(error, HTTPException):  # an unknown path or method
        answer = refusal(error.status_code, str(error.detail))
        answer.headers.update(error.headers or {})
        return answer
    return refusal(500, "the service failed: its error is in the log of the service")


FAILURES: Any = dict.fromkeys((RequestValidationError, HTTPException, Exception), refuse)
