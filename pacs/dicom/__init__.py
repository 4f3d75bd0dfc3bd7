"""The standard's words, pure: levels, attributes, headers, character sets, status tables. No I/O."""
