"""Optimizations of start-up time and memory; each module states what it saves and how that was measured."""
