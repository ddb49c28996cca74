"""What stands between a record and the model: personal data is masked before text leaves, restored afterwards.

Belongs here: rules that decide what may be seen or sent, and keyed hashes of what may not be stored. Masking of five
kinds of identifiers is here; names of people, access rules, injection screening and erasure come as further guards,
each a module of its own beside these. Does not belong here: calls, landing of rows, reading of input.
"""
