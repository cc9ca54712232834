"""What people have, checked and turned into the arrays that a net takes: one file a kind of input."""
