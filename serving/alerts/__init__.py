"""Alerts: what is worth telling a person of a run, and how it reaches them."""
