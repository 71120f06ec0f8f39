"""Releases that are bad on purpose."""
