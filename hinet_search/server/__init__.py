"""Server: score rows of JSON requests over HTTP with an exported model."""
