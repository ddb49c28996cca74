"""Classes in the outputs of a run: confusion matrix, distribution of answers, precision, recall and F1."""
