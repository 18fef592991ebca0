"""Widgets that draw their own lines: plain values in, strips out, and only the lines that changed are sent."""
