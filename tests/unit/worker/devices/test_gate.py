from hpotool.worker.devices.gate import DeviceGate


def test_a_worker_without_limits_finds_its_gate_open() -> None:
    gate = DeviceGate()
    assert (gate.ask(), gate.waits) == (None, None)
    gate.leave()
    gate.close()
