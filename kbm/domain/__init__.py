"""The nouns of kbm and the rules that hold for them; the standard library only."""
