"""The PyTorch example with 30 epochs where the study does not say how many."""

import objectives.pytorch_digits as digits

digits.EPOCHS = 30
objective = digits.objective
