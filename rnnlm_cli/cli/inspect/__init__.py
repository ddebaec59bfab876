"""rnnlm inspect: commands that look inside a trained model."""
