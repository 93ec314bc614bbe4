"""Images, labels, probabilities and classes: what is measured."""
