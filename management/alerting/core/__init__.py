"""What the rules decide, from numbers and times that they are given."""
