"""The page Evaluate: the test results of a finished run, and the images behind them."""
