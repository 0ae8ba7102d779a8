"""A brand's programme: its document, how it is applied, and what every process keeps of it in memory."""
