"""Lanes: typed, coalescing calls from one deployment to another. Contract and measurements: docs/adr/0001."""
