"""Simulators of APNs, of the Google Wallet API and of the phones.

They implement the real protocols over real sockets, keep the platforms' published rules, fail as scripted, and share no
code with the packages that they test.
"""
