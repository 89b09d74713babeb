"""What a study is and what follows from it: pure functions and values, no I/O, no clock, no SQL."""
