"""How the demo's networks are trained."""
