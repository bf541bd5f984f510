"""A small shop: a catalogue, sessions with carts, promotions, a checkout."""
