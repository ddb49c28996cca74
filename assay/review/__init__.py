"""The labelling page: served on this machine, worked by keyboard, one item at a time.

Belongs here: what a browser sees and sends. What is shown next and where labels land is `assay.pipeline.label_desk`.
"""
