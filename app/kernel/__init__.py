"""Vocabulary without business rules: everyone may import it, and it imports none of our packages."""
