"""One HTML page that holds a model, and the script that runs it in a browser."""
