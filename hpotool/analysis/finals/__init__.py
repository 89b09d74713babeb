"""Final trainings: what each of a point gave and kept, and whether two gave the same."""
