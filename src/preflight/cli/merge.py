"""Apply the difference between two versions of a template to a project, with git."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from preflight.errors import RunError

ENGINE = "src/preflight"
CONFLICTS = {"DD", "AU", "UD", "UA", "DU", "AA", "UU"}  # states in `git status --porcelain`
LEFT_OUT = "DU"  # deleted in the project, changed in the template
AUTHOR = ["-c", "user.name=Preflight", "-c", "user.email=preflight@localhost"]


@dataclass(frozen=True)
class Merge:
    """What a merge did; conflicts, too, are files that changed."""

    changed: list[str]
    conflicts: list[str]
    left_out: list[str]  # deleted in the project, new or changed in the template


def merge_versions(project: Path, old: Path, new: Path) -> Merge:
    """Return what changed in the project's files and git index; nothing is committed.

    Args:
        project: the project's folder, with all changes committed.
        old: the project as the old version of the template makes it.
        new: the same by the new version; new files in folders that the project deleted are removed.

    Raises:
        RunError: a file of the engine was edited, or git can't merge. The project is as it was.
    """
    left_out = _leave_out(project, old, new)
    base = _commit(project, old, "old version")
    target = _commit(project, new, "new version", "-p", base)
    _require_untouched_engine(project, base)
    try:
        # a deleted file is not taken for a similar one unless the two are nearly the same
        picked = run_git(project, "cherry-pick", "--no-commit", "-Xfind-renames=80%", target)
        states = _states(project)
        conflicts = [path for path, state in states.items() if state in CONFLICTS]
        if picked.returncode and not conflicts:
            raise RunError(f"git can't merge: {picked.stderr.strip()}")
        for path in [path for path in conflicts if states[path] == LEFT_OUT]:
            ask_git(project, "rm", "--quiet", "--force", path)
            conflicts.remove(path)
            left_out.append(path)
        return Merge([path for path in states if path not in left_out], conflicts, left_out)
    except BaseException:
        ask_git(project, "reset", "--hard", "--quiet")  # all was committed
        raise


def _leave_out(project: Path, old: Path, new: Path) -> list[str]:
    """Return the new files in folders that the project deleted; they are removed from `new`.

    Raises:
        RunError: a new file would overwrite one that git ignores.
    """
    tracked = set(ask_git(project, "ls-files", "-z").split("\0"))
    before, added = _files(old), _files(new) - _files(old)
    if hidden := [name for name in added - tracked if (project / name).exists()]:
        raise RunError(f"The update has files that git ignores here. Move: {', '.join(hidden)}")
    gone = _folders(before) - _folders(tracked)
    left_out = sorted(name for name in added if _folders({name}) & gone)
    for name in left_out:
        (new / name).unlink()
    return left_out


def _require_untouched_engine(project: Path, base: str) -> None:
    """Raise an error that names the files of the engine that the project edited or added."""
    command = ["diff", "--relative", "--name-only", "--diff-filter=d", base, "HEAD"]
    if edited := ask_git(project, *command, "--", ENGINE).splitlines():
        commit = base[:12]
        listed = "\n  ".join([f"An update replaces {ENGINE}. These files were edited:", *edited])
        raise RunError(
            f"{listed}\nMove each change into your own package, or keep it as a patch:\n"
            f"  git diff {commit} HEAD -- {ENGINE} > engine.patch\n"
            f"  git restore --source={commit} --staged --worktree -- {ENGINE}\n"
            "Commit, update, then apply the patch again: git apply --3way engine.patch"
        )


def _commit(project: Path, made: Path, message: str, *parent: str) -> str:
    """Return a commit on no branch: the files of a folder, where the project is in its git."""
    git = ask_git(project, "rev-parse", "--absolute-git-dir").strip()
    inside = ask_git(project, "rev-parse", "--show-prefix").strip()  # a part of a larger one
    index = str(made.with_name(f"{made.name}.index").resolve())
    where = {"GIT_DIR": git, "GIT_WORK_TREE": str(made.resolve()), "GIT_INDEX_FILE": index}
    ask_git(made, "add", "--all", "--force", ".", **where)
    tree = ask_git(made, "write-tree", **where).strip()
    if inside:
        ask_git(made, "read-tree", "--empty", **where)
        ask_git(made, "read-tree", f"--prefix={inside}", tree, **where)
        tree = ask_git(made, "write-tree", **where).strip()
    return ask_git(project, "commit-tree", tree, *parent, "-m", f"Preflight, {message}").strip()


def _states(project: Path) -> dict[str, str]:
    """Return git's two letters for each changed file, by its path in the project."""
    inside = ask_git(project, "rev-parse", "--show-prefix").strip()
    lines = ask_git(project, "status", "--porcelain", "-z", "--no-renames").split("\0")
    return {line[3:].removeprefix(inside): line[:2] for line in lines if line}


def _files(folder: Path) -> set[str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix() for path in found}


def _folders(names: set[str]) -> set[PurePosixPath]:
    return {folder for name in names for folder in PurePosixPath(name).parents}


def ask_git(folder: Path, *arguments: str, **environment: str) -> str:
    """Return what git prints in a folder.

    Raises:
        RunError: git fails; with its message.
    """
    done = run_git(folder, *arguments, **environment)
    if done.returncode:
        raise RunError(f"git {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout


def run_git(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Return how git ended in a folder, with what it printed."""
    return subprocess.run(
        ["git", *AUTHOR, *arguments],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        check=False,
        env=os.environ | environment,
    )
