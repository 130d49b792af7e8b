"""The champion's pointer: changed whole, by one at a time, and back."""

import os
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from preflight.deployment import champion
from preflight.errors import RunError

SOURCE = Path(champion.__file__).parents[2]


def candidate(project: Path, name: str) -> dict[str, Any]:
    """A file as a run would have recorded it."""
    path = f"data/06_models/candidate.skops/{name}/candidate.skops"
    (project / path).parent.mkdir(parents=True)
    (project / path).write_text(name)
    return {"path": path, "version": name, "sha256": sha256(name.encode()).hexdigest()}


def promoted(project: Path, name: str, instead_of: str | None = None) -> champion.ChampionRecord:
    return champion.champion_record(candidate(project, name), run=name, instead_of=instead_of)


def version(pointer: Path) -> str | None:
    now = champion.current(pointer)
    return now.version if now else None


@pytest.fixture
def pointer(tmp_path: Path) -> Path:
    return tmp_path / champion.POINTER


def test_promotions_are_kept_and_taken_back_one_by_one(tmp_path: Path, pointer: Path) -> None:
    assert version(pointer) is None
    a = promoted(tmp_path, "a")
    b = promoted(tmp_path, "b", instead_of=a.sha256)
    champion.promote(pointer, a)
    with pytest.raises(RunError, match="no champion before this one"):
        champion.roll_back(pointer)
    champion.promote(pointer, b)
    assert version(pointer) == "b"
    assert champion.roll_back(pointer) == a == champion.current(pointer)
    assert champion.file_of(pointer, a).read_text() == "a"
    champion.promote(pointer, b)
    told = [(change.what, change.champion.version) for change in champion.read(pointer).history]
    assert told == [("promoted", "a"), ("promoted", "b"), ("rolled back", "a"), ("promoted", "b")]


def test_one_can_go_back_to_any_earlier_champion(tmp_path: Path, pointer: Path) -> None:
    a = promoted(tmp_path, "a")
    b = promoted(tmp_path, "b", instead_of=a.sha256)
    c = promoted(tmp_path, "c", instead_of=b.sha256)
    for one in (a, b, c):
        champion.promote(pointer, one)
    for wrong in ("c", "d"):  # c is in use
        with pytest.raises(
            RunError, match=f"no earlier champion {wrong}. There are, oldest first: a, b"
        ):
            champion.roll_back(pointer, wrong)
    assert champion.roll_back(pointer, "a") == a
    with pytest.raises(RunError, match="no champion before this one"):
        champion.roll_back(pointer)


WITHDRAWAL = champion.Override(by="ops", reason="complaints")


def test_a_champion_that_is_withdrawn_is_none(tmp_path: Path, pointer: Path) -> None:
    with pytest.raises(RunError, match="There is no champion to withdraw"):
        champion.withdraw(pointer, WITHDRAWAL)
    a = promoted(tmp_path, "a")
    champion.promote(pointer, a)
    assert champion.withdraw(pointer, WITHDRAWAL) == a
    assert version(pointer) is None
    assert champion.read(pointer).history[-1].decided == WITHDRAWAL
    with pytest.raises(RunError, match="There is no champion to withdraw"):
        champion.withdraw(pointer, WITHDRAWAL)
    with pytest.raises(RunError, match="no champion before this one"):
        champion.roll_back(pointer)
    assert champion.roll_back(pointer, "a") == a  # it is taken up again
    assert version(pointer) == "a"


def test_after_a_withdrawal_one_goes_back_to_the_champion_before(
    tmp_path: Path, pointer: Path
) -> None:
    a = promoted(tmp_path, "a")
    b = promoted(tmp_path, "b", instead_of=a.sha256)
    c = promoted(tmp_path, "c")  # judged when there was none
    champion.promote(pointer, a)
    champion.promote(pointer, b)
    champion.withdraw(pointer, WITHDRAWAL)
    champion.promote(pointer, c)
    assert version(pointer) == "c"
    assert champion.roll_back(pointer) == a
    champion.withdraw(pointer, WITHDRAWAL)
    with pytest.raises(RunError, match="no champion before this one"):
        champion.roll_back(pointer)


def test_a_candidate_that_was_judged_against_another_champion_is_refused(
    tmp_path: Path, pointer: Path
) -> None:
    a, b = promoted(tmp_path, "a"), promoted(tmp_path, "b")  # both judged when there was none
    champion.promote(pointer, a)
    with pytest.raises(RunError, match="came first: the champion is a now"):
        champion.promote(pointer, b)
    with pytest.raises(RunError, match="came first: the champion is a now"):
        champion.promote(pointer, a)
    assert champion.conflict_message(pointer, a.sha256) is None
    assert "is a now" in (champion.conflict_message(pointer, None) or "")
    pointer.unlink()
    assert "no champion" in (champion.conflict_message(pointer, a.sha256) or "")


@pytest.mark.parametrize(("spoil", "said"), [(Path.unlink, "gone"), (Path.touch, "has changed")])
def test_a_champion_whose_file_is_not_as_it_was_does_not_come_back(
    tmp_path: Path, pointer: Path, spoil: Any, said: str
) -> None:
    a = promoted(tmp_path, "a")
    champion.promote(pointer, a)
    champion.promote(pointer, promoted(tmp_path, "b", instead_of=a.sha256))
    file = champion.file_of(pointer, a)
    file.write_text("another")
    spoil(file)
    with pytest.raises(RunError, match=said):
        champion.roll_back(pointer)
    assert version(pointer) == "b"


def test_a_pointer_that_is_no_pointer_is_not_taken_for_none(pointer: Path) -> None:
    pointer.parent.mkdir(parents=True)
    pointer.write_text('{"champions": []}')
    with pytest.raises(RunError, match=r"can't be read: Field required\. Restore it from a backup"):
        champion.read(pointer)


PROMOTE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from preflight.deployment import champion
one = champion.ChampionRecord.model_validate_json(sys.argv[3])
print("ready", flush=True)
sys.stdin.read()
try:
    champion.promote(Path(sys.argv[2]), one)
    print(one.version)
except champion.RunError as error:
    print(error)
"""


def test_of_several_promotions_at_once_one_wins_and_the_others_are_told(
    tmp_path: Path, pointer: Path
) -> None:
    rivals = [promoted(tmp_path, name) for name in "abcd"]
    command = [sys.executable, "-c", PROMOTE, str(SOURCE), str(pointer)]
    processes = [
        subprocess.Popen(
            [*command, one.model_dump_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for one in rivals
    ]
    for process in processes:  # all are about to
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    said = [process.communicate()[0].strip() for process in processes]
    (winner,) = [one for one in said if len(one) == 1]
    assert version(pointer) == winner
    assert sum("Another promotion or rollback" in one for one in said) == 3


def test_while_one_is_at_work_another_is_told(tmp_path: Path, pointer: Path) -> None:
    with (
        champion._locked(pointer),
        pytest.raises(RunError, match=r"in progress: try again"),
    ):
        champion.promote(pointer, promoted(tmp_path, "a"))
    assert version(pointer) is None


BACK_AND_FORTH = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from preflight.deployment import champion
pointer = Path(sys.argv[2])
b = champion.read(pointer).champions[1]
print("ready", flush=True)
while True:
    champion.roll_back(pointer)
    champion.promote(pointer, b)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no kill -9")
def test_killed_at_any_moment_the_old_or_the_new_one_is_champion(
    tmp_path: Path, pointer: Path
) -> None:
    a = promoted(tmp_path, "a")
    champion.promote(pointer, a)
    champion.promote(pointer, promoted(tmp_path, "b", instead_of=a.sha256))
    for i in range(5):
        command = [sys.executable, "-c", BACK_AND_FORTH, str(SOURCE), str(pointer)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(0.01 + 0.007 * i)
            os.kill(process.pid, signal.SIGKILL)
        assert version(pointer) in {"a", "b"}
        if version(pointer) == "a":
            champion.promote(
                pointer, champion.champion_record(_record(tmp_path, "b"), "b", None, a.sha256)
            )


def _record(project: Path, name: str) -> dict[str, Any]:
    path = f"data/06_models/candidate.skops/{name}/candidate.skops"
    return {"path": path, "version": name, "sha256": sha256(name.encode()).hexdigest()}
