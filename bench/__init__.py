"""Measurements beside a peer or a floor, in one run. Never part of the tests. `make bench` runs them all."""
