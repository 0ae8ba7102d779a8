"""The far sides, played strictly: APNs, the Google Wallet API and the phones.

They speak the real protocols over real sockets, keep the platforms' published rules, fail as scripted, and share no
code with the rooms that they test.
"""
