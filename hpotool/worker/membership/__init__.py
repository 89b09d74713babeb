"""Being one worker of many: beats, orders, reaping the others, the budget's clock.

For `start` and the loop.
"""
