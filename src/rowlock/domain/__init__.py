"""The nouns of reserved seating and their rules: pure Python, no third-party imports, no input or output."""
