"""Rows of a file, table or query become an immutable local snapshot, guarded at the door.

What is asked of a record (prompts, masking, sampling) belongs to other rooms.
"""
