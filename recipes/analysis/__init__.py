"""Labelled music for analysis: where its figures and its weights come from."""
