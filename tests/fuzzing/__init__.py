"""Files of every format that the program reads, damaged in many ways, and read by the functions for them."""
