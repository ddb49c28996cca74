"""The checks that come with Assay, each a module of its own; what needs a model or a person is no check."""
