"""Text classifiers on top of language models: their data, their training, their predictions.

A classifier is a language model of any architecture with a small matrix that turns the features of a text's last token
into one number a class. Texts are filled up on their right, and no token sees what comes after it, so a text's result
depends on nothing but the text.
"""
