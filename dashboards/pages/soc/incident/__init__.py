"""The page of one incident: facts at the left, what happened in the middle, what is to be done at the right."""
