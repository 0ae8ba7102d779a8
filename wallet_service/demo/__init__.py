"""Everything on one machine: a fictitious brand, the simulators, the real processes, and a short tour of them."""
