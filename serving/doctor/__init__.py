"""The doctor: what of a workspace wants a person, found by looking and by changing nothing."""
