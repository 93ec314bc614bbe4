"""A data set becomes a run folder: images are worked on, results are stored."""
