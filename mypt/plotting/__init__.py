"""Curves as pictures and tables outside the dashboard: in the shell, as SVG, as CSV. Functions of plain data.

Scales and ticks are here too, since the dashboard's chart stands on the same ones.
"""
