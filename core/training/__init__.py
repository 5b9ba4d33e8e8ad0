"""Training: the loop, what makes its steps quick, layers taken over, how long it takes, and what is wrong with it."""
