"""Which remote AEs are known and how to reach them."""
