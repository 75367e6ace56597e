"""Scores as MIDI: read, judged, labelled from their own events, and played by soundfonts."""
