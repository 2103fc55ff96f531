"""The three providers, simulated: one server that speaks their wire protocols, for work without keys.

Every answer says that it is simulated, is a pure function of the request, and is metered like the
real thing, so that the gateway's ledger can be checked against it. `python -m deployments.sandbox -h`.
"""
