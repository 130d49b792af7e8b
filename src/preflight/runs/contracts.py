"""The run manifest (inputs, code, outputs) and the raw manifest, as contracts."""

from typing import Annotated, Any, Literal

from pydantic import Field, RootModel

from preflight.contracts.documents import Document, DocumentContract
from preflight.runs.raw_files import Entries

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class File(Document):
    """A file that a run read or wrote."""

    path: str = Field(description="below the project's folder")
    version: str | None
    bytes: int = Field(ge=0)
    sha256: Sha256


class Code(Document):
    """The version of the code; commit and changed files are null without git."""

    commit: str | None
    changed: list[str] | None = Field(description="files changed since the commit")
    sha256: Sha256 = Field(description="of src, conf/base and pyproject.toml")


class Part(Document):
    """A stage of a run, made by a task (see `preflight.runs.parts`), or the task's nodes of it.

    unfinished: it is running, or its process was killed. outdated: one of its inputs was made
    again, and differs.
    """

    stage: str
    status: Literal["done", "failed", "unfinished", "outdated"]
    error: str | None
    began: str
    contracts: bool
    platform: str
    inputs: dict[str, File]
    outputs: dict[str, File]
    nodes: dict[str, float | None] = Field(description="seconds of each node, where known")


class RunManifest(Document):
    """Inputs, code, settings and outputs of a run, with its duration.

    A field that is added later needs a default: manifests of earlier runs are read too.
    """

    run: str
    status: Literal["done", "failed", "unfinished"]
    error: str | None
    pipelines: list[str] = Field(description="empty: all")
    filters: dict[str, Any]
    began: str
    seconds: float = Field(ge=0)
    contracts: bool = Field(False, description="contracts were enforced")
    what_if: list[str] = Field([], description="settings that decide and differ from conf/base")
    code: Code
    packages: dict[str, str]
    python: str
    platform: str
    parameters: dict[str, Any]
    catalog: dict[str, Any]
    inputs: dict[str, File]
    outputs: dict[str, File]
    nodes: dict[str, float] = Field(description="seconds of each node")
    parts: list[Part] = Field([], description="of a run whose stages are tasks: one each")


class RawManifest(RootModel[Entries]):
    """Hash, rows, source and licence of each raw file."""


run_manifest = DocumentContract(RunManifest)
raw_manifest = DocumentContract(RawManifest)
