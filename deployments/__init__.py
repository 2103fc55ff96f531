"""How Polyvox runs on Ray: the only package that imports it."""
