"""Faults at each stage of a deployment, while a client calls from outside."""
