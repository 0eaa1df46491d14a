"""What the paper claims, put to the test by the numbers of this run: contrasts of means, intervals, verdicts."""
