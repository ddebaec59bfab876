"""The hand-written code compared with torch.nn and with the bare matrix products."""
