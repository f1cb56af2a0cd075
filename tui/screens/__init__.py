"""One folder a screen: its composition, its own widgets, its style sheet."""
