"""Fakes at the wire: real code runs up to the port that is faked here."""
