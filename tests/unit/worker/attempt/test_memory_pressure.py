from pathlib import Path

import pytest

from hpotool.worker.attempt import memory_pressure
from hpotool.worker.attempt.memory_pressure import _value, count_memory_kills


def test_a_counter_is_read_by_its_whole_name() -> None:
    assert _value("oom 7\noom_kill 3\noom_group_kill 9\n", "oom_kill") == 3
    assert _value("max 4\n", "oom_kill") == 0


def test_this_machine_s_kills_are_counted() -> None:
    assert count_memory_kills() >= 0


def test_kills_of_the_container_and_of_the_machine_are_added(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    texts = {
        "/proc/self/cgroup": "12:cpu:/x\n0::/job/one\n",
        "/sys/fs/cgroup/job/one/memory.events": "oom 4\noom_kill 2\n",
        "/proc/vmstat": "nr_free_pages 5\noom_kill 7\n",
    }
    for name, text in texts.items():
        path = tmp_path / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def below(name: str) -> Path:
        return tmp_path / name.lstrip("/")

    monkeypatch.setattr(memory_pressure, "Path", below)
    assert count_memory_kills() == 9
    below("/proc/vmstat").unlink()
    assert count_memory_kills() == 2, "each counts where it can be read"
    below("/proc/self/cgroup").unlink()
    assert count_memory_kills() == 0
