"""From probabilities to the segment table."""
