"""The service as a process: `make serve`."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before scikit-learn: threads cost more than a row

import argparse
import sys
from pathlib import Path

import uvicorn
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from preflight.deployment import champion
from preflight.problem.framing import Framing
from preflight.serving.app import create_app

SHUTDOWN_SECONDS = 5  # for open requests when the service stops; then the log is written


def main() -> None:
    """Serve the champion of the project in the current folder."""
    parser = argparse.ArgumentParser("make serve", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0: other machines; set a key")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    project = Path.cwd()
    bootstrap_project(project)
    with KedroSession.create(project) as session:
        context = session.load_context()  # type: ignore[attr-defined]
        framing = Framing.model_validate(context.config_loader["parameters"]["framing"])
        app = create_app(context.catalog, project / champion.POINTER, framing)
        sys.setswitchinterval(0.001)  # /health waits no longer for a thread that reads rows
        uvicorn.run(
            app, host=options.host, port=options.port, log_level="warning",
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )  # fmt: skip


if __name__ == "__main__":
    main()
