"""Where private keys come from: a folder, standard input, or AWS Secrets Manager. Never the environment."""
