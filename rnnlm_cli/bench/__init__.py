"""What is written by hand beside torch.nn and beside the bare matrix products."""
