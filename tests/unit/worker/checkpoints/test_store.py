from pathlib import Path

import pytest

import hpotool
from hpotool.errors import InputError
from hpotool.study.spec import KeepSpec, MetricSpec, ObjectiveSpec, StudySpec
from hpotool.worker.checkpoints.location import CheckpointLocation
from hpotool.worker.checkpoints.store import CheckpointStore, not_among_the_best

ONE = (MetricSpec("loss", "minimize"),)
TWO = (MetricSpec("accuracy", "maximize"), MetricSpec("size", "minimize"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HPOTOOL_CHECKPOINT_DIR", str(tmp_path / "trial"))
    return tmp_path / "trial"


def save(step: int) -> None:
    with hpotool.save_checkpoint(step) as folder:
        (folder / "state").write_text(str(step))


def test_the_last_checkpoints_are_kept_and_the_newest_is_found(folder: Path) -> None:
    for step in range(12):
        save(step)
    assert sorted(path.name for path in folder.iterdir()) == ["step-000000010", "step-000000011"]
    newest = hpotool.latest_checkpoint()
    assert newest is not None
    assert (newest / "state").read_text() == "11"
    save(11)  # again, by an attempt that came as far
    assert (newest / "state").read_text() == "11"


def test_a_checkpoint_that_fails_leaves_the_one_before(folder: Path) -> None:
    save(1)
    with pytest.raises(IsADirectoryError), hpotool.save_checkpoint(2) as unfinished:
        unfinished.write_text("half")
    assert [path.name for path in folder.iterdir()] == ["step-000000001"]


def test_what_a_killed_attempt_left_half_written_is_never_a_checkpoint(folder: Path) -> None:
    (folder / ".unfinished-abc").mkdir(parents=True)
    assert hpotool.latest_checkpoint() is None
    save(3)
    assert [path.name for path in folder.iterdir()] == ["step-000000003"]


def test_by_hand_a_checkpoint_is_thrown_away() -> None:
    save(1)
    assert hpotool.latest_checkpoint() is None


@pytest.mark.parametrize(
    ("results", "metrics", "gone"),
    [
        ({"a": (3.0,), "b": (1.0,), "c": (2.0,)}, ONE, ["a"]),
        ({"a": (1.0,), "b": (1.0,), "c": (1.0,)}, ONE, ["c"]),
        ({"a": (0.9, 5.0), "b": (0.8, 3.0), "c": (0.7, 4.0)}, TWO, ["c"]),
        ({}, ONE, []),
    ],
)
def test_only_the_best_stay(
    results: dict[str, tuple[float, ...]], metrics: tuple[MetricSpec, ...], gone: list[str]
) -> None:
    assert not_among_the_best(results, metrics, 2) == gone


@pytest.fixture(params=["path", "url"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "shared") if request.param == "path" else f"memory://{tmp_path.name}/shared"


def store(location: str, machine: Path, best: int | None = 3) -> CheckpointStore:
    spec = StudySpec("a/b c", ObjectiveSpec(python="m:f"), ONE, keep=KeepSpec(best))
    return CheckpointStore(CheckpointLocation.parse(location), spec, machine)


def test_a_retry_on_another_machine_finds_what_the_first_attempt_left(location: str, tmp_path: Path) -> None:
    with store(location, tmp_path / "one").attempt(7) as folder:
        assert list(folder.iterdir()) == []
        (folder / "step-000000001").mkdir()
        (folder / "step-000000001" / "state").write_text("17")
        (folder / ".unfinished-x").mkdir()
        (folder / ".unfinished-x" / "state").write_text("half")
    with store(location, tmp_path / "two").attempt(7) as folder:
        assert (folder / "step-000000001" / "state").read_text() == "17"
    with store(location, tmp_path / "two").attempt(8) as folder:
        assert list(folder.iterdir()) == []


def test_what_a_dying_objective_still_saves_is_nothing_that_other_parameters_go_on_from(
    location: str, tmp_path: Path
) -> None:
    lineages: list[Path] = []

    def looks_again() -> bool:
        """While the attempt waits, the one before it still writes, three times; then the wait is cut short."""
        if len(lineages) > 3:
            return False
        lineages[0].mkdir(exist_ok=True)
        (lineages[0] / f"late-{len(lineages)}").write_text("of other parameters")
        lineages.append(lineages[0])
        return len(lineages) > 3

    with store(location, tmp_path / "a").attempt(4) as folder:
        lineages.append(folder)
        (folder / "early").write_text("of other parameters")
    again = store(location, tmp_path / "a").attempt(4, begins_anew=True, is_hurried=looks_again)
    with again as folder:
        assert list(folder.iterdir()) == []
        assert len(lineages) > 3, "it did not wait"


def test_finished_trials_lose_their_checkpoints_unless_they_are_among_the_best(
    location: str, tmp_path: Path
) -> None:
    for number, values in enumerate([(3.0,), (1.0,), None, (2.0,)]):
        machine = store(location, tmp_path / str(number % 2), 2)
        with machine.attempt(number) as folder:
            (folder / "state").write_text(str(number))
        machine.finish(number, values)
    found = {}
    for number in range(4):
        with store(location, tmp_path / "later").attempt(number) as folder:
            found[number] = (folder / "state").exists()
    assert found == {0: False, 1: True, 2: False, 3: True}


@pytest.mark.parametrize("values", [(1.0,), None])
def test_with_keep_all_every_finished_trial_keeps_its_checkpoints(
    location: str, tmp_path: Path, values: tuple[float, ...] | None
) -> None:
    machine = store(location, tmp_path / "one", None)
    for number in range(5):
        with machine.attempt(number) as folder:
            (folder / "state").write_text(str(number))
        machine.finish(number, values)
    for number in range(5):
        with store(location, tmp_path / "two", None).attempt(number) as folder:
            assert (folder / "state").read_text() == str(number)


def test_a_branch_begins_with_anothers_checkpoints_and_goes_on_from_its_own(location: str, tmp_path: Path) -> None:
    machine = store(location, tmp_path / "one")
    with machine.attempt(1) as folder:
        (folder / "state").write_text("good")
    machine.finish(1, (0.9,))
    with store(location, tmp_path / "two").attempt(2, begins_with=1) as folder:
        assert [path.name for path in folder.iterdir()] == ["state"]
        (folder / "state").write_text("better")
    with store(location, tmp_path / "three").attempt(2, begins_with=1) as folder:
        assert (folder / "state").read_text() == "better"


def test_a_branch_whose_source_is_gone_begins_from_the_start_and_says_so(
    location: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with store(location, tmp_path).attempt(2, begins_with=1) as folder:
        assert list(folder.iterdir()) == []
    assert "trial-00001 has no checkpoints here; trial-00002 starts from scratch" in caplog.text


def test_checkpoints_that_others_go_on_from_stay_however_bad_they_are(location: str, tmp_path: Path) -> None:
    machine = store(location, tmp_path)
    for number in range(6):
        with machine.attempt(number) as folder:
            (folder / "state").write_text("x")
        machine.finish(number, (float(number),), unneeded=set(range(number)) - {3})
    found = {}
    for number in range(6):
        with machine.attempt(number) as folder:
            found[number] = (folder / "state").exists()
    assert found == {0: True, 1: True, 2: True, 3: True, 4: False, 5: True}


def test_a_url_that_nothing_reads_is_an_input_error() -> None:
    with pytest.raises(InputError, match="cannot be used"):
        CheckpointLocation.parse("nosuch://bucket")


def test_whatever_a_file_system_raises_is_an_input_error_without_the_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class CredentialsError(Exception):
        pass

    def refuse(*_: object, **__: object) -> None:
        raise CredentialsError("could not determine credentials")

    monkeypatch.setattr("fsspec.core.url_to_fs", refuse)
    with pytest.raises(InputError, match="could not determine credentials") as caught:
        CheckpointLocation.parse("ftp://me:secret@host/path")
    assert "secret" not in caught.value.message
