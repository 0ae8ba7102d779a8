"""A brand's programme: applying its document, its keys, and its certificates' expiry."""
