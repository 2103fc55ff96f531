"""The benchmark kit: `python -m tests.bench` prints a table of goal, figure and verdict."""
