"""Start-up time and memory: each module states its saving and how it was measured."""
