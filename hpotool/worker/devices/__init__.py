"""The GPUs of a worker beside its trials: promises of memory on a shared device, and devices with errors.

Imported by `hpotool.worker` and `hpotool.doctor`.
"""
