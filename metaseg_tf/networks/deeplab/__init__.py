"""The paper's networks, rebuilt from their weights."""
