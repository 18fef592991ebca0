"""Tests of the widgets that draw their own lines."""
