"""MyPT: train your own GPT. The package imports torch only when a name that needs it is used."""
