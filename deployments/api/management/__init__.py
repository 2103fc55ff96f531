"""The management surface: keys, teams, budgets, requests and what else is not the hot path, on FastAPI."""
