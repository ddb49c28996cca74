"""How much worse the candidate is on perturbed input than on the original input."""
