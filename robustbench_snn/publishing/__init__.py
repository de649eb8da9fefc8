"""Published tables as a web site, and as files for the Hugging Face hub."""
