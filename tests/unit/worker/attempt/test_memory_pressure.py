from hpotool.worker.attempt.memory_pressure import _value, count_memory_kills


def test_a_counter_is_read_by_its_whole_name() -> None:
    assert _value("oom 7\noom_kill 3\noom_group_kill 9\n", "oom_kill") == 3
    assert _value("max 4\n", "oom_kill") == 0


def test_this_machine_s_kills_are_counted() -> None:
    assert count_memory_kills() >= 0
