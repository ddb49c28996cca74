"""Tests of the room that turns rows into a guarded snapshot."""
