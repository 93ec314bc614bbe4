"""Files from strangers: what is admitted, checked before anything is read or run."""
