"""Segmentation networks: an image in, class probabilities out."""
