"""Which labels are probably wrong, by the predictions of a detector that did not learn from them."""
