"""The manifests: of a run, and of the raw files."""

from typing import Any, Literal

from pydantic import Field, RootModel

from preflight.contracts.documents import Document, DocumentContract
from preflight.runs.raw_files import Entries


class File(Document):
    """A file that a run read or wrote."""

    path: str = Field(description="below the project's folder")
    version: str | None
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Code(Document):
    """Which code it was; commit and changed files are null without git."""

    commit: str | None
    changed: list[str] | None
    sha256: str


class RunManifest(Document):
    """What a run was made from, what it made, and what that took."""

    run: str
    status: Literal["done", "failed"]
    error: str | None
    pipelines: list[str] = Field(description="empty: all")
    filters: dict[str, Any]
    began: str
    seconds: float = Field(ge=0)
    contracts: bool = Field(False, description="they were enforced")
    what_if: list[str] = Field([], description="how it was judged otherwise than conf/base says")
    code: Code
    packages: dict[str, str]
    python: str
    platform: str
    parameters: dict[str, Any]
    catalog: dict[str, Any]
    inputs: dict[str, File]
    outputs: dict[str, File]
    nodes: dict[str, float] = Field(description="seconds that each took")


class RawManifest(RootModel[Entries]):
    """What is said of each raw file."""


run_manifest = DocumentContract(RunManifest)
raw_manifest = DocumentContract(RawManifest)
