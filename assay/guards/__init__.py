"""Guards: personal data is masked before text is sent to a model, and restored afterwards.

Scope: rules on data that may be sent or stored, and keyed hashes. Masks five kinds of identifiers.
"""
