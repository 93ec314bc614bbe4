"""The embedded default: drawn street scenes and two small networks."""
