"""The fault runs: the whole product under load while its parts are killed."""
